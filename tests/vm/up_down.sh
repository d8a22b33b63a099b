#!/bin/bash
# `krait up` starts what `krait down` removes without a trace, with a running agent and without one.
# shellcheck disable=SC2016 # what eval gets is expanded when it runs
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

# Prints what is left of krait on db.
left_over() {
  on db sh -c 'ls -d /sys/class/net/wg0 /run/krait/bpf /run/krait/krait.sock /run/krait/krait.sock.lock /run/krait/wg0.lock 2>/dev/null
    tc qdisc show | grep clsact
    for device in lo eth0; do tc filter show dev $device ingress; done'
}
nothing_left() { [[ -z $(left_over) ]]; }
# The kernel's WireGuard turns it off for the whole host.
redirects() { on db cat /proc/sys/net/ipv4/conf/all/send_redirects; }

mesh_of_three "web db icmp/echo-request"
check "db sends no redirects: WireGuard's doing" "" test "$(redirects)" = 0
check "web pings db" "" on web ping -c 1 -W 5 10.90.0.2
check "krait up where it is up" "$(on db krait up)" on db krait up
check "krait down" "" on db krait down
check "nothing is left" "$(left_over)" nothing_left
check "db sends redirects, as it did before" "" test "$(redirects)" = 1
check "the agent has ended" "" until_true 10 bash -c "! kill -0 ${agent_pid[db]}"
check "web pings db in vain" "" bash -c "! krait-lab-enter ${host_holder[web]} ping -c 1 -W 2 10.90.0.2"
check "krait down once more" "$(on db krait down 2>&1)" on db krait down
check "krait up" "$(on db krait up 2>&1)" on db krait status
check "web pings db again" "" until_true 20 on web ping -c 1 -W 2 10.90.0.2
check "krait status names the interface" "" eval 'on db krait status | grep -q wg0'
agent=$(on db krait status -o json | krait-lab-json agent.pid)
check "the agent that krait up started is killed" "" kill_hard db "$agent"
on db ip link del wg0
check "krait up, though wg0 was taken away meanwhile" "$(on db krait up 2>&1)" on db krait status
agent=$(on db krait status -o json | krait-lab-json agent.pid)
check "and that agent is killed too" "" kill_hard db "$agent"
check "krait down without an agent" "" on db krait down
check "nothing is left" "$(left_over)" nothing_left
check "db sends redirects, as it did before" "" test "$(redirects)" = 1

# Somebody else's wg0, with the key that krait has.
on db ip link add wg0 type wireguard
on db wg set wg0 listen-port 51999 private-key /var/lib/krait/host.key peer "${public_key[web]}" allowed-ips 10.8.0.2/32
on db ip addr add 10.8.0.1/24 dev wg0
on db ip link set wg0 up
strangers() { on db sh -c 'ip -o link show dev wg0; ip -o addr show dev wg0; wg show wg0 dump; tc qdisc show dev wg0'; }
as_made=$(strangers)
for command in up down; do
  said=$(on db krait "$command" 2>&1)
  check "krait $command: a wg0 that krait did not make is refused" "$said" eval '[[ $said == *"krait did not make"*"--iface wg0"* ]]'
done
said=$(on db krait up 2>&1)
check "the other way out is another name" "" eval '[[ $said == *"set another \`interface\` in krait.toml"* ]]'
check "it is as it was made" "" test "$(strangers)" = "$as_made"
on db ip link del wg0

# One that krait left is its own: right after it was made, and from a version that had no mark for it.
check "krait up" "$(on db krait up 2>&1)" on db krait status
group() { on db cat /sys/class/net/wg0/netdev_group; }
mark=$(group)
check "the agent is killed" "" kill_hard db "$(on db krait status -o json | krait-lab-json agent.pid)"
on db ip link set wg0 group 0
index=$(on db cat /sys/class/net/wg0/ifindex)
check "krait up on what an earlier version left" "$(on db krait up 2>&1)" on db krait status
check "it is the same, and has the mark now" "group $mark" test "$(on db cat /sys/class/net/wg0/ifindex) $(group)" = "$index $mark"
check "web pings db again" "" until_true 20 on web ping -c 1 -W 2 10.90.0.2
check "krait down" "" on db krait down
on db ip link add wg0 group "$mark" type wireguard
check "krait up on what a killed agent had just made" "$(on db krait up 2>&1)" on db krait status
check "web pings db again" "" until_true 20 on web ping -c 1 -W 2 10.90.0.2
check "krait down" "" on db krait down
check "nothing is left" "$(left_over)" nothing_left
finish up_down
