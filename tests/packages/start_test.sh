#!/bin/bash
# `krait` loads nothing but the C library: any other library on its way to a command's sources would come back unseen, and be loaded at
# every start.
# usage: start_test.sh BIN
set -euo pipefail

needed() { objdump -p "$1" | sed -n 's/^ *NEEDED *//p'; }

if needed "$1/krait" | grep -vE '^(libc|libm|ld-linux[^.]*)\.so'; then
  echo "krait is not to need these"
  exit 1
fi
needed "$1/krait-inspect" | grep -q '^libbpf\.so' || { echo "krait-inspect needs no libbpf: the test looks for other names"; exit 1; }
