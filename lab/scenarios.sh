# shellcheck shell=bash disable=SC2154,SC2034
# Runs the demo and the scenarios of tests/vm in guests. Needs: root_dir, cache_dir, log_dir, kernels.sh, initramfs.sh,
# guest.sh.

lab_kernels=(6.1 6.12)
bench_seconds=900
scenario_seconds=1200 # the longest takes half of it where two run at a time

# Scenarios in which CPUs race. They get two, in real time; the others one, in virtual time (see guest_qemu).
racing_scenarios=(floods real_traffic revocation)
is_racing() { [[ " ${racing_scenarios[*]} " == *" $1 "* ]]; }

# What ./x builds for a guest.
lab_programs=(krait krait-agent krait-inspect krait-join krait-link krait-coordinator krait-lab-enter krait-lab-json krait-lab-metrics krait-lab-network krait-lab-traffic)

# The programs that go into a guest.
guest_programs() {
  local name
  for name in "${lab_programs[@]}" wireguard_device_test program_test; do
    find "$root_dir/build/release" -type f -name "$name" -perm -u+x
  done
}

# prepare_guests SERIES: the initramfs with today's programs.
prepare_guests() {
  local -a programs
  mapfile -t programs < <(guest_programs)
  build_initramfs "$1" "$cache_dir/lab/initramfs-$1.cpio" "${programs[@]}"
}

# prepare_lab_bench: the guest of the benchmarks.
prepare_lab_bench() {
  local -a programs
  mapfile -t programs < <(guest_programs)
  guest_kind=bench build_initramfs 6.12 "$cache_dir/lab/bench.cpio" "${programs[@]}" "$root_dir/build/release/bin/bench_reload"
}

# run_lab_bench: sections in Markdown, with the lines for the CSV file between.
run_lab_bench() {
  local fast=icount-1ns lab_accelerator=icount
  if [[ $(guest_accelerator) == kvm ]]; then
    fast=kvm lab_accelerator=kvm
  fi
  bench_guest bench "$lab_accelerator" || return 1
  lab_accelerator='' bench_guest bench_napi || return 1
  lab_accelerator=$fast bench_guest bench_peers "$fast" && run_user_mode 300 "$cache_dir/lab/bench.cpio" /lab/bench_peers.sh &&
    as_root env PATH="$root_dir/build/release/bin:$PATH" bash "$root_dir/lab/bench_peers.sh"
}

# bench_guest NAME [ROLE]
bench_guest() {
  console_log=$log_dir/console-$1.log run_guest "$bench_seconds" 6.12 "$cache_dir/lab/bench.cpio" "/lab/$1.sh" "${2:-none}"
}

# run_scenario SERIES SCRIPT: SCRIPT is a path in the guest.
run_scenario() {
  local console_log
  console_log=$log_dir/console-$1-$(basename "$2" .sh).log
  with_another_chance "$console_log" run_guest "$scenario_seconds" "$1" "$cache_dir/lab/initramfs-$1.cpio" "$2"
}

# scenario_accelerator SCRIPT
scenario_accelerator() {
  local found
  found=$(guest_accelerator)
  [[ $found != tcg ]] || is_racing "$(basename "$1" .sh)" || found=virtual
  echo "$found"
}

# run_scenarios KIND VERSION SCRIPT...: one after the other in one guest, which KIND_lane VERSION CONSOLE-LOG SCRIPT... starts; behind a
# script that fails, the rest in a new one. Calls report_scenario KIND VERSION SCRIPT LOG STATUS SECONDS after each, STATUS as
# run_guest's. A script that a guest did not come up for, or whose guest the emulator broke, runs once more.
run_scenarios() {
  local kind=$1 version=$2 script console log status start again=
  shift 2
  local -a left=("$@")
  while ((${#left[@]})); do
    console=$log_dir/console-$kind-$version-$(basename "${left[0]}" .sh).log
    status=0
    run_lane "$kind" "$version" "$console" || status=$?
    ((status != 0)) || continue
    script=${left[0]}
    if [[ $again != "$script" ]] && { ((status == 126)) || emulator_broke "$console"; }; then
      cp "$console" "$console.broken"
      again=$script
      continue
    fi
    log=$(scenario_log "$kind" "$version" "$script")
    { echo "the guest's console ends:" && tail -n 12 "$console"; } >>"$log" 2>&1
    report_scenario "$kind" "$version" "$script" "$log" "$status" $((SECONDS - start))
    left=("${left[@]:1}")
  done
}

# run_lane KIND VERSION CONSOLE-LOG: one guest for the scripts of `left`, until one fails. Takes those that have ended off `left`, and
# reports them. Returns 0, or run_guest's status where the guest ended in the middle of the first that is left, which began at `start`.
run_lane() {
  local kind=$1 version=$2 line guest lane status=126 log
  start=$SECONDS
  log=$(scenario_log "$kind" "$version" "${left[0]}")
  : >"$log"
  exec {lane}< <("${kind}_lane" "$version" "$3" "${left[@]}")
  guest=$!
  while IFS= read -r line || [[ -n $line ]]; do
    line=${line%$'\r'}
    case $line in
      lab-begin) ;;
      "lab-script: "*)
        start=$SECONDS status=125
        log=$(scenario_log "$kind" "$version" "${line#lab-script: }")
        : >"$log"
        ;;
      "lab-exit: "*)
        report_scenario "$kind" "$version" "${left[0]}" "$log" "${line#lab-exit: }" $((SECONDS - start))
        left=("${left[@]:1}")
        status=0
        ;;
      *) printf '%s\n' "$line" >>"$log" ;;
    esac
  done <&"$lane"
  exec {lane}<&-
  wait "$guest" || { (($? != 124 || status == 0)) || status=124; }
  return "$status"
}

# vm_lane SERIES CONSOLE-LOG SCRIPT...
vm_lane() {
  local series=$1 console_log=$2
  shift 2
  guest_qemu $((scenario_seconds + 240 * $#)) "$(scenario_accelerator "$1")" "$series" "$cache_dir/lab/initramfs-$series.cpio" \
    "lab.script=$(in_a_row "$@") lab.role=none" -nic none
}

# in_a_row SCRIPT...: as lab/init takes them.
in_a_row() {
  local IFS=+
  echo "$*"
}

scenario_log() { echo "$log_dir/$1-$2-$(basename "$3" .sh).log"; }

# with_another_chance CONSOLE-LOGS COMMAND...: where a guest did not come up, or its emulator broke one, the command runs once more.
# CONSOLE-LOGS, one a line, are the guests'. What was printed before a line that begins with "once more" does not count.
with_another_chance() {
  local status=0 console why=
  "${@:2}" || status=$?
  ((status != 0)) || return 0
  ((status != 126)) || why="a guest did not come up, or its emulator crashed"
  while read -r console; do
    emulator_broke "$console" || continue
    cp "$console" "$console.broken"
    why="the emulator broke a guest's kernel, see ${console#"$root_dir/"}.broken"
  done <<<"$1"
  [[ -n $why ]] || return "$status"
  echo "once more: $why"
  "${@:2}"
}

# emulator_broke CONSOLE-LOG: QEMU ran the breakpoint that the kernel puts over an instruction while it patches its own code, after
# the patch was done and nobody waited for it any more. That ends the guest, so a step that failed by itself is not taken for it.
# Kernels from 6.10 on write "Oops: " before the name of the trap.
emulator_broke() {
  [[ $(guest_accelerator) == tcg ]] && grep -q '\bint3: 0000' "$1" && grep -q 'Kernel panic' "$1"
}

# run_two_guests SERIES OTHER-SERIES SCRIPT: the first guest leads (role web), the second serves it (role db).
run_two_guests() { run_pair run_wired_guest "$@"; }

# run_wired_guest SERIES SCRIPT ROLE QEMU-ARGUMENTS...
run_wired_guest() {
  console_log=$(pair_console "$1" "$2" "$3") \
    run_guest "$scenario_seconds" "$1" "$cache_dir/lab/initramfs-$1.cpio" "$2" "$3" "${@:4}"
}

# run_pair GUEST SERIES OTHER-SERIES SCRIPT: two guests joined by a wire, each run by GUEST, which takes run_wired_guest's arguments.
run_pair() {
  with_another_chance "$(pair_console "$2" "$4" web && pair_console "$3" "$4" db)" run_pair_once "$@"
}

# Returns what the guest that leads returns; where it failed, 126 if the other did not come up.
run_pair_once() {
  local guest=$1 leader=$2 follower=$3 script=$4 wire status=0 other=0
  local -a web db
  wire=$(mktemp -d /tmp/krait-wire.XXXXXX)
  mapfile -t web < <(wire_end "$wire/web" "$wire/db" 01)
  mapfile -t db < <(wire_end "$wire/db" "$wire/web" 02)
  "$guest" "$follower" "$script" db "${db[@]}" >"$log_dir/$follower-$(basename "$script" .sh)-db.log" 2>&1 &
  "$guest" "$leader" "$script" web "${web[@]}" || status=$?
  wait $! || other=$?
  rm -rf "$wire"
  ((status == 0 || other != 126)) || return 126
  return "$status"
}

# pair_console SERIES SCRIPT ROLE: the file of a guest's console.
pair_console() { echo "$log_dir/console-$1-$(basename "$2" .sh)-$3.log"; }

# wire_end SOCKET OTHER-SOCKET NUMBER: QEMU's arguments, one a line.
wire_end() {
  printf '%s\n' -netdev "dgram,id=wire,local.type=unix,local.path=$1,remote.type=unix,remote.path=$2" \
    -device "virtio-net-pci,netdev=wire,mac=52:54:00:00:00:$3,romfile="
}
