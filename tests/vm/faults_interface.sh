#!/bin/bash
# The interface is deleted under traffic: the agent makes it again, behind programs that deny until the policy is on, and
# traffic goes on after one handshake. What is lost is what was sent meanwhile.
set -u
# shellcheck source=lab/faults.sh
. /lab/faults.sh

made_again() { on db ip link show wg0 | grep -q 'state UNKNOWN' && on db krait status -o json | jq -e '.attachment != "none"'; }

faults_begin
fault_begin "interface deleted"
before=$(on db cat /sys/class/net/wg0/ifindex)
on db ip link del wg0
check "the agent makes the interface again" "" until_true 60 made_again
check "it is another one" "" test "$(on db cat /sys/class/net/wg0/ifindex)" != "$before"
check "the agent tells" "$(agent_log db | grep -i 'wg0' | tail -n 1 | cut -d' ' -f3- | cut -c1-120)" grep -q 'wg0' <(agent_log db | tail -n 1)
check "db and web have shaken hands anew" "" until_true 60 shook_hands db web
fault_end $((10 * rate)) # five seconds, in both directions
fault_begin "interface deleted without an agent"
kill_hard db "${agent_pid[db]}"
on db ip link del wg0
agent_start db
check "an agent that starts makes it again" "" agent_ready db
check "db and web have shaken hands anew" "" until_true 60 shook_hands db web
fault_end $((30 * rate)) # fifteen: a start takes longer than a look
faults_finish faults_interface
