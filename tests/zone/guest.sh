#!/bin/bash
# Boots a zone's first file system in an ordinary guest of the lab, whose virtio disks and console stand in for Xen's.
# usage: guest.sh SERIES INITRAMFS CONSOLE-LOG PARAMETERS QEMU-ARGUMENTS...
set -euo pipefail
root_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache_dir=$root_dir/.cache
# shellcheck source=lab/kernels.sh
. "$root_dir/lab/kernels.sh"
# shellcheck source=lab/initramfs.sh
. "$root_dir/lab/initramfs.sh"
# shellcheck source=lab/guest.sh
. "$root_dir/lab/guest.sh"
console_log=$3
guest_qemu 900 "$(guest_accelerator)" "$1" "$2" "${@:4}" >/dev/null
