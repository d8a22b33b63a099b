#!/bin/bash
# With krait's program gone nothing passes, in either direction; the agent's next start mends it.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

# remove_program DIRECTION: takes krait's own program off wg0 as an accident would, and leaves the guard behind it.
remove_program() {
  if [[ $(attachment db) == tcx ]]; then
    on db rm "/sys/fs/bpf/krait/wg0/link_$1"
  else
    on db tc filter del dev wg0 "$1" pref "$(on db tc filter show dev wg0 "$1" | awk '$4 == "pref" { print $5; exit }')"
  fi
}

silent() { ! on web ping -c 1 -W 2 10.90.0.2; }

mesh_of_three "web db icmp/echo-request"
check "web pings db" "" on web ping -c 1 -W 5 10.90.0.2
for direction in ingress egress; do
  remove_program "$direction"
  check "nothing passes without the program for $direction" "$(attachment db)" silent
  kill_hard db "${agent_pid[db]}"
  agent_start db
  agent_ready db
  check "a new agent mends it" "$(attachment db)" until_true 10 on web ping -c 1 -W 2 10.90.0.2
done
finish fail_closed
