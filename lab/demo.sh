#!/bin/bash
# The demo: hosts by files, then hosts by a coordinator. `./x demo` runs it, in a guest or on this machine (hosts.sh draws the wire).
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in hosts steps mesh fleet demo_files demo_fleet; do
  # shellcheck source=/dev/null
  . "$here/$part.sh"
done

demo_files
demo_fleet
echo
finish demo
