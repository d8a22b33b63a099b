#!/bin/bash
# lab/kernels.sh finds the kernel in a bzImage, wherever its header says that the set-up code ends.
# usage: kernels_test.sh ROOT
set -euo pipefail
# shellcheck source=lab/kernels.sh
. "$1/lab/kernels.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# put FILE OFFSET BYTES: in printf's escapes.
put() { printf "%b" "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

printf 'a kernel' >"$work/elf"
zstd -q "$work/elf"
bytes=$(($(wc -c <"$work/elf.zst") + 4)) # with the size unpacked behind it
for sectors in 0 1 4; do # of set-up code, as the header says (setup_sects in Documentation/arch/x86/boot.rst of Linux)
  begin=$((((sectors == 0 ? 4 : sectors) + 1) * 512))
  image=$work/bzimage
  rm -f "$image"
  truncate -s $((begin + 16)) "$image"
  put "$image" 497 "\\x0$sectors"
  put "$image" 584 "\\x10\\0\\0\\0$(printf '\\x%02x' "$bytes")\\0\\0\\0"
  cat "$work/elf.zst" >>"$image"
  printf '\x08\0\0\0what follows' >>"$image"
  if ! unpack_kernel "$image" "$work/found" || ! cmp "$work/elf" "$work/found"; then echo "not found behind $sectors sectors" && exit 1; fi
done
