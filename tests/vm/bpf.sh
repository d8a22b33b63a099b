#!/bin/bash
# The verifier of this kernel takes the BPF programs, within the budget.
set -u
# shellcheck source=lab/steps.sh
. /lab/steps.sh

program_test >/tmp/log 2>&1
status=$?
cat /tmp/log
check "program_test" "$(sed -n 's/^verified on .*: //p' /tmp/log | tr '\n' ' ')" test "$status" = 0
finish bpf
