# shellcheck shell=bash disable=SC2154,SC2034
# Runs the demo and the scenarios of tests/vm in guests. Needs: root_dir, cache_dir, log_dir, kernels.sh, initramfs.sh,
# guest.sh.

lab_kernels=(6.1 6.12)
bench_seconds=900
scenario_seconds=1200 # the longest takes half of it where two run at a time

# The programs that go into a guest.
guest_programs() {
  local name
  for name in krait krait-agent krait-inspect krait-lab-traffic wireguard_device_test program_test; do
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
  bench=1 build_initramfs 6.12 "$cache_dir/lab/bench.cpio" "${programs[@]}" "$root_dir/build/release/bin/bench_reload"
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

# run_scenario SERIES SCRIPT: SCRIPT is a path in the guest. A guest that did not come up, or that its emulator broke, gets one more
# chance.
run_scenario() {
  local console_log status=0
  console_log=$log_dir/console-$1-$(basename "$2" .sh).log
  run_guest "$scenario_seconds" "$1" "$cache_dir/lab/initramfs-$1.cpio" "$2" || status=$?
  if ((status == 126)); then
    echo "the guest did not come up; once more"
  elif ((status == 125)) && emulator_broke "$console_log"; then
    cp "$console_log" "$console_log.broken"
    echo "the emulator broke the guest's kernel, see ${console_log#"$root_dir/"}.broken; once more"
  else
    return "$status"
  fi
  run_guest "$scenario_seconds" "$1" "$cache_dir/lab/initramfs-$1.cpio" "$2"
}

# emulator_broke CONSOLE-LOG: QEMU ran the breakpoint that the kernel puts over an instruction while it patches its own code, after
# the patch was done and nobody waited for it any more.
emulator_broke() { [[ $(guest_accelerator) == tcg ]] && grep -q 'Oops: int3: 0000' "$1"; }

# run_two_guests SERIES OTHER-SERIES SCRIPT: the first guest leads (role web), the second serves it (role db).
run_two_guests() {
  local leader=$1 follower=$2 script=$3 name wire status=0
  name=$(basename "$script" .sh)
  wire=$(mktemp -d /tmp/krait-wire.XXXXXX)
  console_log=$log_dir/console-$follower-$name-db.log \
    run_guest "$scenario_seconds" "$follower" "$cache_dir/lab/initramfs-$follower.cpio" "$script" db \
    -netdev "dgram,id=wire,local.type=unix,local.path=$wire/db,remote.type=unix,remote.path=$wire/web" \
    -device virtio-net-pci,netdev=wire,mac=52:54:00:00:00:02,romfile= >"$log_dir/$follower-$name-db.log" 2>&1 &
  console_log=$log_dir/console-$leader-$name-web.log \
    run_guest "$scenario_seconds" "$leader" "$cache_dir/lab/initramfs-$leader.cpio" "$script" web \
    -netdev "dgram,id=wire,local.type=unix,local.path=$wire/web,remote.type=unix,remote.path=$wire/db" \
    -device virtio-net-pci,netdev=wire,mac=52:54:00:00:00:01,romfile= || status=$?
  wait $! || true
  rm -rf "$wire"
  return "$status"
}
