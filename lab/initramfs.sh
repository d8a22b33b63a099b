# shellcheck shell=bash disable=SC2154
# The guest's file system: one initramfs of busybox, kernel modules, the programs under test with their shared libraries,
# and the scripts of lab/ and tests/vm/. Needs: root_dir, cache_dir, kernels.sh.

lab_modules=(wireguard veth bridge tun virtio_pci virtio_net sch_ingress cls_bpf sch_netem nf_tables nft_ct nft_chain_nat nft_masq)
lab_tools=(ip tc wg jq ping setpriv nft dnsmasq) # busybox has the rest, which starts in a fraction of the time
# The benchmarks' guest has more.
bench_modules=(nft_compat xt_tcpudp)
bench_tools=(iperf3 iptables-restore)
bench_plugins=(libxt_standard.so libxt_tcp.so) # of iptables

# copy_program FILE DESTINATION: the program, stripped, and the libraries that it loads.
copy_program() {
  local file=$1 destination=$2 library
  mkdir -p "${destination%/*}"
  strip -o "$destination" "$file" 2>/dev/null || cp -L "$file" "$destination" || return 1
  chmod 755 "$destination"
  while read -r library; do
    [[ -e $tree$library ]] || install -D -m 755 "$library" "$tree$library"
  done < <(ldd "$file" 2>/dev/null | grep -oE '/[^ ]+' || true)
}

# copy_modules KERNEL-DIRECTORY MODULE...: without signatures, since to check one takes an emulated kernel longer than to load the module.
copy_modules() {
  local kernel_dir=$1 release module line file
  shift
  release=$(<"$kernel_dir/release")
  mkdir -p "$tree/modules"
  for module in "$@"; do
    modprobe -C /dev/null -d "$kernel_dir" -S "$release" --show-depends "$module" || return 1
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$tree/modules/files"
  while read -r file; do
    line=$(basename "${file%.xz}")
    if [[ $file == *.xz ]]; then xz -dc "$file" >"$tree/modules/$line"; else cp "$file" "$tree/modules/"; fi
    strip --strip-debug "$tree/modules/$line" || return 1
    echo "$line"
  done <"$tree/modules/files" >"$tree/modules/order"
  rm "$tree/modules/files"
}

# The root folder is everybody's to read, as on a host: mktemp makes it its owner's alone.
pack_tree() { (cd "$tree" && chmod 755 . && find . -print0 | cpio --null --quiet -o -H newc -R 0:0); }

# base_archive SERIES [KIND]: what changes with the kernel only, made once, and sets `archive`.
base_archive() {
  local series=$1 kind=${2:-base} tool path
  local -a modules=("${lab_modules[@]}") tools=("${lab_tools[@]}")
  archive=$cache_dir/lab/$kind-$series.cpio
  [[ $archive -nt $root_dir/lab/initramfs.sh && $archive -nt $root_dir/lab/xen.sh && $archive -nt $cache_dir/kernels/$series/release ]] &&
    return 0
  case $kind in
    bench)
      modules+=("${bench_modules[@]}")
      tools+=("${bench_tools[@]}")
      ;;
    dom0)
      modules=("${dom0_modules[@]}")
      tools=("${dom0_tools[@]}")
      ;;
    dom0-bench)
      modules=("${dom0_modules[@]}" "${xl_modules[@]}")
      tools=("${dom0_tools[@]}" "${xl_tools[@]}")
      ;;
  esac
  local tree=$cache_dir/lab/tree-$kind-$series
  rm -rf "$tree"
  mkdir -p "$tree"/{dev,proc,sys,run,tmp,root,etc,usr/bin,usr/sbin,usr/lib,usr/lib64,var/lib}
  ln -s usr/bin "$tree/bin"
  ln -s usr/sbin "$tree/sbin"
  ln -s usr/lib "$tree/lib"
  ln -s usr/lib64 "$tree/lib64"
  cp "$cache_dir/busybox" "$cache_dir/bash" "$tree/usr/bin" || return 1
  [[ $kind != dom0* ]] || printf '%s\n' root:x:0:0::/root:/bin/sh krata-store:x:991:991::/:/bin/false krata-block:x:992:992::/:/bin/false \
    >"$tree/etc/passwd" # those of the packages
  for tool in "${tools[@]}"; do
    path=$(command -v "$tool") || { echo "the guests need $tool, which is not installed" >&2; return 1; }
    copy_program "$path" "$tree/usr/bin/$tool" || return 1
  done
  copy_modules "$cache_dir/kernels/$series" "${modules[@]}" || return 1
  [[ $kind != bench ]] || copy_rivals || return 1
  [[ $kind != dom0-bench ]] || copy_xl || return 1
  pack_tree >"$archive.new" && mv "$archive.new" "$archive" || return 1
  rm -rf "$tree"
}

# Nebula, and the plugins that iptables looks for.
copy_rivals() {
  local plugin program directory
  for program in nebula nebula-cert; do
    copy_program "$cache_dir/nebula/usr/bin/$program" "$tree/usr/bin/$program" || return 1
  done
  directory=/usr/lib/x86_64-linux-gnu/xtables
  for plugin in "${bench_plugins[@]}"; do
    install -D -m 755 "$directory/$plugin" "$tree$directory/$plugin" || return 1
  done
}

# Xen's own tools, past Debian's wrappers that look for the version, and the scripts by which xl sets up disks.
copy_xl() {
  local program
  for program in "${xl_programs[@]}"; do copy_program "$xl_folder/$program" "$tree/usr/bin/$program" || return 1; done
  mkdir -p "$tree/etc/xen"
  cp -r /etc/xen/scripts "$tree/etc/xen"
}

# build_initramfs SERIES OUTPUT PROGRAM...: programs land in /usr/bin. guest_kind: base, bench (the benchmarks' guest), dom0 (of Xen:
# xen.sh) or dom0-bench.
build_initramfs() {
  local series=$1 output=$2 program archive
  shift 2
  mkdir -p "$cache_dir/lab"
  base_archive "$series" "${guest_kind:-base}" || return 1
  local tree
  tree=$(mktemp -d "$cache_dir/lab/tree.XXXXXX")
  mkdir -p "$tree"/{usr/bin,usr/lib,usr/lib64,tests}
  ln -s usr/lib "$tree/lib"
  ln -s usr/lib64 "$tree/lib64"
  for program in "$@"; do
    copy_program "$program" "$tree/usr/bin/$(basename "$program")" || return 1
  done
  install -m 755 "$root_dir/lab/init" "$tree/init"
  cp -r "$root_dir/lab" "$tree/lab"
  cp -r "$root_dir/tests/vm" "$root_dir/tests/xen" "$tree/tests"
  { cat "$archive" && pack_tree; } >"$output"
  rm -rf "$tree"
}
