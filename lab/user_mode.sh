# shellcheck shell=bash disable=SC2154,SC2034
# Linux 6.12 as a process (user-mode Linux, ARCH=um), built from Debian's sources with the kernel's WireGuard: a guest that computes
# at this machine's speed where QEMU only emulates. It has one CPU, and a system call or a page fault costs it many times what it
# costs natively. For measuring only. Needs: root_dir, cache_dir, log_dir, kernels.sh, guest.sh.

user_mode_packages=(make gcc libc6-dev flex bison bc libelf-dev dwarves xz-utils)

user_mode_on=(
  CC_OPTIMIZE_FOR_PERFORMANCE NET INET IPV6 PACKET UNIX WIREGUARD VETH BRIDGE TUN NETFILTER NET_SCHED NET_SCH_INGRESS NET_CLS NET_CLS_ACT
  NET_CLS_BPF BPF_SYSCALL DEBUG_KERNEL DEBUG_INFO_DWARF5 DEBUG_INFO_BTF NAMESPACES NET_NS UTS_NS PID_NS BLK_DEV_INITRD TMPFS DEVTMPFS
  IP_ADVANCED_ROUTER IP_MULTIPLE_TABLES IPV6_MULTIPLE_TABLES HIGH_RES_TIMERS NETLINK_DIAG
)
user_mode_off=(MODULES SOUND INPUT VT EXT4_FS REISERFS_FS BTRFS_FS DEBUG_INFO_NONE DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT)

# fetch_user_mode: makes .cache/user-mode/linux, once, in some ten minutes.
fetch_user_mode() {
  local work=$cache_dir/user-mode.new
  [[ ! -e $cache_dir/user-mode/linux ]] || return 0
  unpack_packages "$work" linux-source-6.12 && tar -xf "$work"/usr/src/linux-source-*.tar.xz -C "$work" &&
    build_user_mode "$work"/linux-source-6.12 || return 1
  mkdir -p "$cache_dir/user-mode"
  strip -g -o "$cache_dir/user-mode/linux" "$work/linux-source-6.12/linux" && rm -rf "$work"
}

build_user_mode() {
  local -a options=()
  local name
  for name in "${user_mode_on[@]}"; do options+=(-e "$name"); done
  for name in "${user_mode_off[@]}"; do options+=(-d "$name"); done
  # The port does not tell the verifier what x86 can: read words that are not aligned.
  sed -i 's/^config UML$/&\n\tselect HAVE_EFFICIENT_UNALIGNED_ACCESS/' "$1/arch/um/Kconfig"
  make -C "$1" ARCH=um defconfig && (cd "$1" && scripts/config "${options[@]}") && make -C "$1" ARCH=um olddefconfig &&
    make -C "$1" ARCH=um -j "$(nproc)" linux
}

# run_user_mode SECONDS INITRAMFS SCRIPT: as run_guest.
run_user_mode() {
  guest_result timeout --foreground --kill-after=5 "$1" "$cache_dir/user-mode/linux" mem=1500M "initrd=$2" rdinit=/init \
    "lab.script=$3" lab.role=user-mode con=null con0=null,fd:2 ssl=null ssl1=null,fd:1 panic=-1 loglevel=4 \
    </dev/null 2>"$log_dir/console-user-mode.log"
}
