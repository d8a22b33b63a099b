# shellcheck shell=bash disable=SC2154,SC2034
# Boots Xen in QEMU, and a script in domain 0. Needs: root_dir, cache_dir, log_dir, kernels.sh, initramfs.sh, guest.sh.

xen_versions=(4.17 4.20)
declare -A dom0_kernel=([4.17]=6.1 [4.20]=6.12)
xen_scenario_seconds=600 # and more for each that follows in a row

dom0_modules=(xen-privcmd xenfs xen-evtchn xen-gntdev xen-gntalloc)
dom0_tools=(docker-registry mke2fs)
dom0_programs=(krata-lab-zone krata-store krata krata-image kratad krata-block krata-init) # what ./x builds for domain 0
zone_programs=(krata-lab-guest krata-lab-hostile) # and for zones: a program in Linux, and a kernel

# Beside whom zones are measured: of Xen 4.17, whose tools bookworm has.
xl_version=4.17
xl_folder=/usr/lib/xen-$xl_version/bin
xl_modules=(loop xen-blkback)
xl_programs=(xl xenstored xen-init-dom0 xenconsoled)
xl_tools=(losetup flock xenstore-{exists,list,read,rm,write})

# fetch_xen VERSION: makes .cache/xen/VERSION/xen.
fetch_xen() {
  local version=$1 dir=$cache_dir/xen/$1 apt_suite=
  [[ ! -e $dir/xen ]] || return 0
  [[ $version == 4.17 ]] || apt_suite=trixie
  mkdir -p "$cache_dir/xen"
  unpack_packages "$dir.new" "xen-hypervisor-$version-amd64" || return 1
  gzip -dc "$dir.new/boot/xen-$version-amd64.gz" >"$dir.new/xen" || return 1
  rm -rf "$dir.new"/{boot,usr,etc,lib} "$dir"
  mv "$dir.new" "$dir"
}

# prepare_xen VERSION [KIND]: domain 0's initramfs with today's programs. KIND: dom0, or dom0-bench, which has Xen's own tools too.
prepare_xen() {
  local kind=${2:-dom0}
  local series=${dom0_kernel[$1]}-$kind output=$cache_dir/lab/$kind-$1 program
  local -a programs=()
  for program in "${dom0_programs[@]}"; do programs+=("$root_dir/build/release/bin/$program"); done
  mkdir -p "$cache_dir/lab"
  guest_kind=$kind build_initramfs "$series" "$output.cpio" "${programs[@]}" && zone_archive "$1" >>"$output.cpio"
}

# zone_archive VERSION: for domain 0, as an archive: a zone's kernel and initramfs in /zone.
zone_archive() {
  local tree inner
  tree=$(mktemp -d "$cache_dir/lab/tree.XXXXXX")
  inner=$(mktemp -d "$cache_dir/lab/tree.XXXXXX")
  mkdir -p "$tree/zone" "$inner"/{dev,proc,sys,usr/bin}
  cp "$cache_dir/busybox" "$root_dir/build/release/bin/krata-lab-guest" "$inner/usr/bin" || return 1
  install -m 755 "$root_dir/lab/zone/init" "$inner/init"
  tree=$inner pack_tree >"$tree/zone/initramfs"
  cp "$cache_dir/kernels/${dom0_kernel[$1]}/vmlinuz" "$tree/zone/vmlinuz"
  cp "$root_dir/packaging/krata-zones.service" "$tree/zone"
  cp "$root_dir/build/release/bin/krata-lab-hostile" "$tree/zone/hostile" || return 1
  zone_modules "$cache_dir/kernels/${dom0_kernel[$1]}" "$tree/zone/modules"
  pack_tree
  rm -rf "$tree" "$inner"
}

zone_modules=(xen-blkfront xen-netfront squashfs erofs overlay ext4)

# zone_modules KERNEL-DIRECTORY FOLDER: of the kernel's modules those that a zone needs, as krata kernel add takes them.
zone_modules() {
  local release file
  release=$(<"$1/release")
  mkdir -p "$2"
  cp "$1/lib/modules/$release"/modules.* "$2"
  while read -r file; do
    install -D -m 644 "$file" "$2/${file#*"/$release/"}"
  done < <(for file in "${zone_modules[@]}"; do modprobe -C /dev/null -d "$1" -S "$release" --show-depends "$file"; done |
    awk '$1 == "insmod" && !seen[$2]++ { print $2 }')
}

# xen_qemu SECONDS VERSION SCRIPTS [QEMU ARGUMENTS...]: as guest_qemu; xen_kind and xen_role say what domain 0 is. One CPU, or two for races: with more, Xen takes too long to
# bring them up under emulation.
xen_qemu() {
  local seconds=$1 version=$2 scripts=$3 qemu=$cache_dir/qemu/usr kind=${xen_kind:-dom0}
  local vmlinux=$cache_dir/kernels/${dom0_kernel[$version]}-$kind/vmlinux initramfs=$cache_dir/lab/$kind-$version.cpio
  shift 3
  timeout --foreground --kill-after=5 "$seconds" "$qemu/bin/qemu-system-x86_64" -L "$qemu/share/qemu" -L "$qemu/share/seabios" \
    -accel tcg,thread=multi -cpu qemu64 -smp "${xen_cpus:-1}" -m 3072 -nodefaults -no-reboot -display none -monitor none \
    -serial stdio \
    -kernel "$cache_dir/xen/$version/xen" \
    -append "console=com1 com1=115200,8n1 dom0_mem=1024M,max:1024M dom0_max_vcpus=1 loglvl=warning guest_loglvl=warning" \
    -initrd "$vmlinux console=hvc0 rdinit=/init loglevel=4 panic=-1 cryptomgr.notests $real_time lab.script=$scripts lab.role=${xen_role:-none},$initramfs" \
    -nic none "$@" </dev/null
}

# run_xen_scenario VERSION SCRIPT: SCRIPT is a path in domain 0. Returns run_guest's status.
run_xen_scenario() {
  local log
  log=$log_dir/console-xen-$1-$(basename "$2" .sh).log
  with_another_chance "$log" guest_result xen_lane "$1" "$log" "$2"
}

# xen_lane VERSION CONSOLE-LOG SCRIPT...: one console has all of it: only what comes between the marks of lab/init, and not from Xen, is
# the scripts'.
xen_lane() {
  local version=$1 log=$2
  shift 2
  xen_qemu $((xen_scenario_seconds + 240 * $#)) "$version" "$(in_a_row "$@")" | tee "$log" | sed -un '/^lab-begin/,${/^(XEN)/!p}'
  return "${PIPESTATUS[0]}"
}

# run_zone_bench: sections in Markdown, with the lines for the CSV file between; one for each store.
run_zone_bench() {
  local xen_role xen_kind=dom0-bench xen_scenario_seconds=900
  for xen_role in xenstored krata-store; do
    guest_result xen_lane "$xl_version" "$log_dir/console-xen-bench-$xen_role.log" /lab/bench_zones.sh || return 1
  done
}
