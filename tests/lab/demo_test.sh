#!/bin/bash
# The demo takes several files of the lab into one shell: no two of them may have a function of the same name.
# usage: demo_test.sh ROOT
set -euo pipefail
cd "$1/lab"
read -ra parts < <(sed -n 's/^for part in \(.*\); do$/\1/p' demo.sh)
((${#parts[@]} > 3)) || { echo "demo.sh does not say what it consists of"; exit 1; }
twice=$(sed -nE 's/^([a-z_]+)\(\).*/\1/p' "${parts[@]/%/.sh}" | sort | uniq -d)
[[ -z $twice ]] || { echo "the demo has twice: $twice"; exit 1; }
