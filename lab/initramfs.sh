# shellcheck shell=bash disable=SC2154
# The guest's file system: one initramfs of busybox, kernel modules, the programs under test with their shared libraries,
# and the scripts of lab/ and tests/vm/. Needs: root_dir, cache_dir, kernels.sh.

lab_modules=(wireguard veth bridge tun virtio_pci virtio_net sch_ingress cls_bpf sch_netem)
lab_tools=(bash ip tc wg jq ping nsenter unshare mount)

# copy_program FILE DESTINATION: the program, stripped, and the libraries that it loads.
copy_program() {
  local file=$1 destination=$2 library
  mkdir -p "${destination%/*}"
  strip -o "$destination" "$file" 2>/dev/null || cp -L "$file" "$destination"
  chmod 755 "$destination"
  while read -r library; do
    [[ -e $tree$library ]] || install -D -m 755 "$library" "$tree$library"
  done < <(ldd "$file" 2>/dev/null | grep -oE '/[^ ]+' || true)
}

copy_modules() {
  local kernel_dir=$1 release module line file
  release=$(<"$kernel_dir/release")
  mkdir -p "$tree/modules"
  for module in "${lab_modules[@]}"; do
    modprobe -C /dev/null -d "$kernel_dir" -S "$release" --show-depends "$module" || return 1
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$tree/modules/files"
  while read -r file; do
    line=$(basename "${file%.xz}")
    if [[ $file == *.xz ]]; then xz -dc "$file" >"$tree/modules/$line"; else cp "$file" "$tree/modules/"; fi
    echo "$line"
  done <"$tree/modules/files" >"$tree/modules/order"
  rm "$tree/modules/files"
}

pack_tree() { (cd "$tree" && find . -print0 | cpio --null --quiet -o -H newc -R 0:0); }

# What changes with the kernel only: made once.
base_archive() {
  local series=$1 archive=$cache_dir/lab/base-$1.cpio tool
  [[ $archive -nt $root_dir/lab/initramfs.sh && $archive -nt $cache_dir/kernels/$series/release ]] && return 0
  local tree=$cache_dir/lab/tree-$series
  rm -rf "$tree"
  mkdir -p "$tree"/{dev,proc,sys,run,tmp,root,etc,usr/bin,usr/sbin,usr/lib,usr/lib64,var/lib}
  ln -s usr/bin "$tree/bin"
  ln -s usr/sbin "$tree/sbin"
  ln -s usr/lib "$tree/lib"
  ln -s usr/lib64 "$tree/lib64"
  cp "$cache_dir/busybox" "$tree/usr/bin/busybox"
  for tool in "${lab_tools[@]}"; do
    copy_program "$(command -v "$tool")" "$tree/usr/bin/$tool"
  done
  copy_modules "$cache_dir/kernels/$series" || return 1
  pack_tree >"$archive.new"
  mv "$archive.new" "$archive"
  rm -rf "$tree"
}

# build_initramfs SERIES OUTPUT PROGRAM...: programs land in /usr/bin.
build_initramfs() {
  local series=$1 output=$2 program
  shift 2
  mkdir -p "$cache_dir/lab"
  base_archive "$series" || return 1
  local tree
  tree=$(mktemp -d "$cache_dir/lab/tree.XXXXXX")
  mkdir -p "$tree"/{usr/bin,usr/lib,usr/lib64,tests}
  ln -s usr/lib "$tree/lib"
  ln -s usr/lib64 "$tree/lib64"
  for program in "$@"; do
    copy_program "$program" "$tree/usr/bin/$(basename "$program")"
  done
  install -m 755 "$root_dir/lab/init" "$tree/init"
  cp -r "$root_dir/lab" "$tree/lab"
  cp -r "$root_dir/tests/vm" "$tree/tests/vm"
  { cat "$cache_dir/lab/base-$series.cpio" && pack_tree; } >"$output"
  rm -rf "$tree"
}
