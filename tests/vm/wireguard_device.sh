#!/bin/bash
# The unit tests that need a kernel with WireGuard.
set -u
# shellcheck source=lab/steps.sh
. /lab/steps.sh

wireguard_device_test 2>&1 | tee /tmp/log
while read -r test; do
  check "$test" "" grep -qF "[       OK ] $test " /tmp/log
done < <(sed -n 's/^\[ RUN      \] //p' /tmp/log)
finish wireguard_device
