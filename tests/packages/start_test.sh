#!/bin/bash
# `krait` and `krata` load nothing but the C library: any other library on its way to a command's sources would come back unseen, and be loaded
# at every start. So do krata-store and krata-block, of which there is one to each zone, but for the library by which they confine themselves.
# usage: start_test.sh BIN
set -euo pipefail

needed() { objdump -p "$1" | sed -n 's/^ *NEEDED *//p'; }

if needed "$1/krait" | grep -vE '^(libc|libm|ld-linux[^.]*)\.so'; then
  echo "krait is not to need these"
  exit 1
fi
for program in krata krata-store krata-block; do
  if needed "$1/$program" | grep -vE '^(libc|libm|libseccomp|ld-linux[^.]*)\.so'; then
    echo "$program is not to need these"
    exit 1
  fi
done
needed "$1/krait-inspect" | grep -q '^libbpf\.so' || { echo "krait-inspect needs no libbpf: the test looks for other names"; exit 1; }
