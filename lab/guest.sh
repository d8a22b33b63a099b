# shellcheck shell=bash disable=SC2154
# Runs a script in a QEMU guest and hands back what it printed and its exit status. Needs: root_dir, cache_dir.

# KVM where a guest really boots under it (some machines have /dev/kvm, and a guest on it hangs), else emulation. The answer
# is kept for this kernel.
guest_accelerator() {
  local answer=$cache_dir/lab/accelerator kernel
  kernel=$(uname -r)
  if [[ ! -e $answer || $(cut -d' ' -f2 "$answer") != "$kernel" ]]; then
    local found=tcg
    if [[ -r /dev/kvm && -w /dev/kvm ]] && kvm_boots; then found=kvm; fi
    echo "$found $kernel" >"$answer"
  fi
  cut -d' ' -f1 "$answer"
}

kvm_boots() {
  local series probe=$cache_dir/lab/probe.cpio
  for series in 6.12 6.1; do [[ ! -e $cache_dir/lab/base-$series.cpio ]] || break; done
  build_initramfs "$series" "$probe" || return 1
  [[ $(guest_qemu 10 kvm "$series" "$probe" lab.script=/lab/probe.sh -nic none 2>/dev/null) == *"lab-exit: 0"* ]]
}

# Of emulated kernels. X86_FEATURE_REP_GOOD off: they clear pages with plain stores and not with "rep stosq", which TCG does word by word, an
# eighth to a quarter of a scenario. Where their time is that of the machine, which may be busy, scripts wait longer (steps.sh).
plain_stores=clearcpuid=112
real_time="$plain_stores lab.patience=3"

# guest_qemu SECONDS ACCELERATOR SERIES INITRAMFS PARAMETERS [QEMU ARGUMENTS...]
guest_qemu() {
  local seconds=$1 accelerator=$2 series=$3 initramfs=$4 parameters=$5 qemu=$cache_dir/qemu/usr
  shift 5
  local -a machine=(-accel kvm -cpu host -smp 2)
  local cpu="qemu64,-cx16,+rdrand"
  local -A shift_of=([virtual]=2 [icount]=2 [icount-1ns]=0)
  # no_timer_check: on a busy machine the emulated timer comes too late for the kernel's test of it, and it panics.
  # Without cmpxchg16b: 6.12 crashed in the emulation of it (QEMU 7.2). A plain CPU: the vector instructions that WireGuard's
  # ciphers would choose cost more to emulate than they save.
  case $accelerator in
    tcg) machine=(-accel "tcg,thread=multi" -cpu "$cpu" -smp 2) parameters+=" $real_time" ;;
    # The guest's time passes with its instructions, four nanoseconds each or one, and jumps while it waits: a script takes as long
    # as its work, and what else the machine does disturbs no time that it measures. Benchmarks (icount) have every instruction of a
    # new CPU, but for ERMS and FSRM: every byte that "rep movsb" moves counts as an instruction.
    virtual | icount*)
      if [[ $accelerator == virtual ]]; then parameters+=" $plain_stores"; else cpu="max,-cx16,-erms,-fsrm"; fi
      machine=(-accel "tcg,thread=single" -icount "shift=${shift_of[$accelerator]},sleep=off" -cpu "$cpu" -smp 1)
      ;;
  esac
  # The kernel's tests of its ciphers, at each boot, are its makers' to run.
  timeout --foreground --kill-after=5 "$seconds" "$qemu/bin/qemu-system-x86_64" -L "$qemu/share/qemu" -L "$qemu/share/seabios" \
    "${machine[@]}" -m 1024 -nodefaults -no-reboot -display none -monitor none \
    -serial "file:${console_log:-/dev/null}" -serial stdio \
    -kernel "$cache_dir/kernels/$series/vmlinux" -initrd "$initramfs" \
    -append "console=ttyS0 loglevel=5 panic=-1 no_timer_check cryptomgr.notests net.ifnames=0 $parameters" "$@" </dev/null
}

# run_guest SECONDS SERIES INITRAMFS SCRIPT [ROLE [QEMU ARGUMENTS...]]: SCRIPT is a path in the guest. Prints what the
# script prints, returns its exit status; 124: the time was up; 125: the guest ended without a status; 126: it
# did not even come up, or its emulator crashed.
run_guest() {
  local seconds=$1 series=$2 initramfs=$3 script=$4 role=${5:-none}
  shift $(($# < 5 ? $# : 5))
  local -a network=("$@")
  ((${#network[@]})) || network=(-nic none)
  local accelerator=${lab_accelerator:-}
  [[ -n $accelerator ]] || accelerator=$(guest_accelerator)
  guest_result guest_qemu "$seconds" "$accelerator" "$series" "$initramfs" "lab.script=$script lab.role=$role" "${network[@]}"
}

# guest_result COMMAND...: what a guest that the command runs prints, and run_guest's status.
guest_result() {
  "$@" | guest_output
  local -a statuses=("${PIPESTATUS[@]}")
  case ${statuses[0]} in
    124) return 124 ;;
    134 | 139) return 126 ;; # SIGABRT, SIGSEGV
  esac
  return "${statuses[1]}"
}

# guest_output: as the lines come (awk waits for 4 KiB), so that a long scenario can be watched. Returns run_guest's status.
guest_output() {
  local line status=126
  while IFS= read -r line || [[ -n $line ]]; do
    line=${line%$'\r'}
    case $line in
      lab-begin) status=125 ;;
      "lab-script: "*) ;;
      "lab-exit: "*) status=${line#lab-exit: } ;;
      *) printf '%s\n' "$line" ;;
    esac
  done
  return "$status"
}
