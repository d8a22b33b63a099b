# shellcheck shell=bash disable=SC2154,SC2034
# ./x bench: the sections, one after the other, and the report of them. Sourced by x.

# The report's sections, in its order: programs bench_NAME; then what runs in guests.
bench_sections=(throughput program forwarding snapshot updates revocation memory fleet store images boot)

run_bench() {
  local name folder=build/bench
  local -a sections=("${bench_sections[@]}")
  if [[ ${1:-} == zones ]]; then
    mkdir -p "$folder"
    bench_zones "$folder" || die "the benchmark of zones failed"
    return
  fi
  (($# == 0)) || sections=("$1")
  [[ " ${bench_sections[*]} " == *" ${sections[0]} "* ]] || die "there is no benchmark $1; there are: ${bench_sections[*]} zones"
  install_packages "${build_packages[@]}" "${bench_packages[@]}" "${store_packages[@]}" "${image_packages[@]}"
  root_prefix >/dev/null || die "the benchmarks load BPF programs: run as root or install sudo"
  build release "${sections[@]/#/bench_}" && fetch_lab "${lab_kernels[@]}" || exit 2
  mkdir -p "$folder"
  machine_facts >"$folder/machine.md"
  for name in "${sections[@]}"; do
    say "bench_$name"
    as_root "build/release/bin/bench_$name" "$folder" >"$folder/$name.md" || die "bench_$name failed"
    cat "$folder/$name.md"
  done
  as_root chown -R "$(id -u):$(id -g)" "$folder"
  (($# == 0)) || return 0
  bench_lab "$folder" || die "the lab's benchmark failed"
  bench_zones "$folder" || die "the benchmark of zones failed"
  gnuplot -e "folder='$folder'" bench/plots.gp || die "gnuplot failed"
  bench_report "$folder" >"$folder/report.md"
  say "the aims:"
  grep '^- aim' "$folder/report.md"
  say "$folder/report.md, plots beside it; docs/benchmarks.md explains them"
}

# bench_lab FOLDER: the section of real WireGuard, from a guest.
bench_lab() {
  install_packages "${lab_packages[@]}" "${user_mode_packages[@]}" iperf3
  build release "${lab_programs[@]}" bench_reload && fetch_lab 6.12 && make_guests 6.12 && logged nebula "fetch Nebula" fetch_nebula &&
    logged bench-guest "make the benchmarks' guest" prepare_lab_bench &&
    logged user-mode "make Linux as a process" fetch_user_mode || return 1
  say "lab/bench.sh, lab/bench_napi.sh and lab/bench_peers.sh, in guests"
  run_lab_bench >"$1/lab.txt" && split_section "$1/lab"
}

# bench_zones FOLDER: zones beside Xen's own tools, in domain 0 of Xen.
bench_zones() {
  local series=${dom0_kernel[$xl_version]}
  install_packages "${build_packages[@]}" "${lab_packages[@]}" "${xen_packages[@]}" "${xl_packages[@]}"
  build release "${dom0_programs[@]}" "${zone_programs[@]}" && fetch_lab "$series" &&
    logged "kernel-dom0-bench" "fetch domain 0's kernel" fetch_kernel "$series" dom0-bench &&
    logged "xen-$xl_version" "fetch Xen $xl_version" fetch_xen "$xl_version" &&
    logged "dom0-bench" "make domain 0 with Xen's tools" prepare_xen "$xl_version" dom0-bench || return 1
  say "lab/bench_zones.sh, in domain 0"
  run_zone_bench >"$1/zones.txt" && split_section "$1/zones"
}

# split_section FILE: what a guest printed, FILE.txt, into FILE.md and FILE.csv.
split_section() {
  sed -n 's/^csv,//p' "$1.txt" >"$1.csv"
  sed '/^csv,/d' "$1.txt" >"$1.md"
  rm "$1.txt"
  cat "$1.md"
}

machine_facts() {
  printf '%s\n' "- $(date -u +%F), kernel $(uname -r), $(nproc) CPUs:$(sed -n 's/^model name[^:]*://p' /proc/cpuinfo | head -n 1)"
  printf '%s\n' "- load average at the start: $(cut -d ' ' -f 1-3 /proc/loadavg)"
  printf '%s\n' "- $(nft --version), $(iptables --version), $(ipset --version 2>/dev/null | head -n 1)"
  printf '%s\n' "- krait $(git describe --always --dirty)"
}

# bench_report FOLDER: the sections in one.
bench_report() {
  local name plot
  printf '# Benchmarks\n\n'
  cat "$1/machine.md"
  for name in "${bench_sections[@]}" lab zones; do
    printf '\n'
    cat "$1/$name.md"
  done
  printf '## Plots\n\n'
  for plot in "$1"/*.svg; do
    printf '![%s](%s)\n' "$(basename "$plot" .svg)" "$(basename "$plot")"
  done
}
