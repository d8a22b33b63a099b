#!/bin/bash
# `krait up` starts what `krait down` removes without a trace, with a running agent and without one.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

nothing_left() {
  ! on db ip link show wg0 && ! on db test -e /sys/fs/bpf/krait/wg0 && ! on db test -S /run/krait/krait.sock
}

mesh_of_three "web db icmp/echo-request"
check "web pings db" "" on web ping -c 1 -W 5 10.90.0.2
check "krait up where it is up" "$(on db krait up)" on db krait up
check "krait down" "$(on db krait down 2>&1)" nothing_left
check "the agent has ended" "" until_true 10 bash -c "! kill -0 ${agent_pid[db]}"
check "web pings db in vain" "" bash -c "! nsenter --target ${host_holder[web]} --net ping -c 1 -W 2 10.90.0.2"
check "krait down once more" "$(on db krait down 2>&1)" on db krait down
check "krait up" "$(on db krait up 2>&1)" on db krait status
check "web pings db again" "" until_true 20 on web ping -c 1 -W 2 10.90.0.2
check "krait status names the interface" "" eval 'on db krait status | grep -q wg0'
agent=$(on db krait status -o json | jq -r .pid)
kill_hard db "$agent"
check "krait down without an agent" "$(on db krait down 2>&1)" nothing_left
finish up_down
