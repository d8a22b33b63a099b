#!/bin/bash
# With krait's program gone and no agent there nothing passes, in either direction; the agent's next start mends it. A
# running agent does not let it come so far.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

# remove_program DIRECTION: takes krait's own program off wg0 as an accident would, and leaves the guard behind it.
remove_program() {
  if [[ $kind == tcx ]]; then
    on db rm "/run/krait/bpf/wg0/link_$1"
  else
    on db tc filter del dev wg0 "$1" pref "$(on db tc filter show dev wg0 "$1" | awk '$4 == "pref" { print $5; exit }')"
  fi
}

silent() { ! on web ping -c 1 -W 2 10.90.0.2; }

mesh_of_three "web db icmp/echo-request"
kind=$(attachment db)
check "web pings db" "" on web ping -c 1 -W 5 10.90.0.2
for direction in ingress egress; do
  kill_hard db "${agent_pid[db]}"
  remove_program "$direction"
  check "nothing passes without the program for $direction and without an agent" "$kind" silent
  agent_start db
  agent_ready db
  check "a new agent mends it" "$kind" until_true 10 on web ping -c 1 -W 2 10.90.0.2
  remove_program "$direction"
  check "with an agent it goes on" "$kind" until_true 10 on web ping -c 1 -W 2 10.90.0.2
done
finish fail_closed
