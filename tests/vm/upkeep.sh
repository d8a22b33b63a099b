#!/bin/bash
# What somebody changes about wg0 behind the agent's back is noticed, mended and said, with traffic running. What is
# forbidden passes at no moment.
# shellcheck disable=SC2016 # what eval gets is expanded when it runs
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

rules=("web db tcp/5432 icmp/echo-request" "office web tcp/443")

said() { grep -qF "$1" "$lab_dir/db-agent.log"; }
stage() { on db krait status -o json | member stage; }
faults() { on db krait status -o json | krait-lab-json faults[].what; }
pings() { on web ping -c 1 -W 2 10.90.0.2; }
# A guard stands behind krait's program in both directions.
guarded() {
  local direction
  for direction in ingress egress; do
    on db tc filter show dev wg0 "$direction" | grep -q 'pref 65535 .*krait_guard' || return 1
  done
}
flag() { on db ip -o link show dev wg0 | grep -qF "$1"; }

# mended TEXT SAID COMMAND...: the command comes to hold, the agent has said so, and traffic goes on.
mended() {
  local text=$1 words=$2
  shift 2
  check "$text: mended" "" until_true 20 "$@"
  check "$text: said" "$words" until_true 10 said "$words"
  check "$text: traffic goes on" "" until_true 30 pings
}

mesh_of_three "${rules[@]}"
put_policy office "${rules[@]}" "office db tcp/5432 icmp/echo-request" # so that db's ingress has to drop it
reload office
serve db tcp 10.90.0.2:5432 transfer
send web tcp 10.90.0.2:5432 transfer
check "web transfers to db" "" traffic db wait transfer 100 30
before=$(drops db no_rule ingress)
send office tcp 10.90.0.2:5432 refused
check "office is refused" "" await_drops db no_rule ingress "$before"
check "the stage is enforcing" "$(stage)" test "$(stage)" = enforcing

on db ip link set wg0 down
mended "set down" "up set right" flag ",UP"
mtu=$(on db cat /sys/class/net/wg0/mtu)
on db ip link set wg0 mtu 1300
mended "MTU changed" "MTU" flag "mtu $mtu"
on db ip addr del 10.90.0.2/32 dev wg0
mended "address removed" "1 addresses" eval 'on db ip -o addr show dev wg0 | grep -qF "10.90.0.2/32"'
on db ip addr add 10.99.0.1/24 dev wg0
mended "address added" "addresses" eval '! on db ip -o addr show dev wg0 | grep -qF 10.99.0.1'
on db ip route del 10.90.0.1/32 dev wg0
mended "route removed" "1 routes set right" eval 'on db ip route show dev wg0 | grep -qF 10.90.0.1'
on db tc qdisc del dev wg0 clsact
mended "qdisc removed" "the guard was taken off wg0" guarded
# With TCX krait gets ahead again by itself; where its filter is one of others', only root can say which of them goes.
if [[ $(attachment db) == clsact ]]; then
  on db tc filter add dev wg0 ingress pref 1 protocol all handle 7 bpf da bytecode '1,6 0 0 4294967295'
  check "a filter put ahead: a fault" "$(faults)" until_true 10 eval '[[ $(faults) == *"filter stands ahead of krait"* ]]'
  on db tc filter del dev wg0 ingress pref 1 protocol all handle 7 bpf
  mended "a filter put ahead, and taken off" "wg0 is as it should be again" eval '[[ -z $(faults) ]]'
fi
# Web's overlay address comes by the tunnel or not at all.
fenced() {
  local before
  before=$(drops db outside_tunnel ingress)
  on web ping -c 1 -W 1 -I 10.90.0.1 192.0.2.2 >/dev/null
  rose db outside_tunnel ingress "$before"
}
check "the fence stands on eth0" "" fenced
# A TCX link that the agent holds goes with its interface only.
if [[ $(attachment db) == clsact ]]; then
  on db tc qdisc del dev eth0 clsact
  on db ip link add wakes type veth peer name wakes2
  mended "fence removed" "the fence was taken off eth0" fenced
  on db ip link del wakes
fi
on db umount -l /run/krait/bpf
mended "pins unmounted" "pinned again" on db test -e /run/krait/bpf/wg0/snapshot
on db mount -t tmpfs tmpfs /run/krait/bpf
mended "pins mounted over" "pinned again" on db test -e /run/krait/bpf/wg0/snapshot
until_true 10 on db sh -c 'ip link set wg0 down; ip link set wg0 name wg7' 2>/dev/null
mended "renamed" "renamed to wg7" on db ip link show dev wg0
# Before 6.2 the kernel does not rename what is up.
on db ip -batch - <<<$'link set wg0 down\nlink set wg0 name wg8\nlink set wg8 up' 2>/dev/null
mended "renamed, and up again" "renamed to wg8" on db ip link show dev wg0

# A stranger's interface takes the name before the agent can give it back.
on db kill -STOP "${agent_pid[db]}"
on db ip -batch - <<<$'link set wg0 down\nlink set wg0 name wg9\nlink add wg0 type wireguard' 2>/dev/null
on db kill -CONT "${agent_pid[db]}"
check "name taken: a fault" "$(faults)" until_true 20 eval '[[ $(faults) == *"renamed to wg9"* ]]'
check "name taken: the other gets no peers and no key" "$(on db wg show wg0 public-key)" \
  test "$(on db wg show wg0 peers)$(on db wg show wg0 public-key)" = "(none)"
check "name taken: krait down touches neither" "" not on db krait down
check "name taken: the other is still there" "" on db ip link show dev wg0
on db ip link del wg0
check "name free again: mended" "" until_true 20 on db sh -c '! ip link show dev wg9'
check "name free again: traffic goes on" "" until_true 30 pings

stolen=$(on office krait keygen /var/lib/krait/other.key)
on db wg set wg0 peer "${public_key[office]}" remove
on db wg set wg0 peer "$stolen" allowed-ips 10.90.0.3/32
check "peers changed by hand: mended within the minute" "" \
  until_true 75 eval 'on db wg show wg0 allowed-ips | grep -F "${public_key[office]}" | grep -qF 10.90.0.3'
check "peers changed by hand: said" "$(grep -o 'changed by somebody else: .*peers.*' "$lab_dir/db-agent.log")" \
  said "1 peers put back, 1 peers taken off that no file has"

# A reload that fails behind the switch is in force: the look that follows takes no former key back.
former=${public_key[office]}
on db ip route add 10.55.0.0/16 dev lo
public_key[office]=$stolen host_routes[db/office]="10.55.0.0/16 office"
put_file db /etc/krait/krait.toml "$(mesh_config db web db office)"
check "a reload that fails half way says so" "$(on db krait reload 2>&1)" not on db krait reload
on db ip link set wg0 mtu 1300
check "half way: the look that follows" "" until_true 20 flag "mtu $mtu"
check "half way: the former key is no peer" "" not eval 'on db wg show wg0 peers | grep -qF "$former"'
check "half way: the new one is" "" eval 'on db wg show wg0 peers | grep -qF "$stolen"'
public_key[office]=$former
unset "host_routes[db/office]"
put_file db /etc/krait/krait.toml "$(mesh_config db web db office)"
on db ip route del 10.55.0.0/16 dev lo
check "half way: back again" "" on db krait reload
check "half way: the former key is a peer again" "" eval 'on db wg show wg0 peers | grep -qF "$former"'

on db ip link del wg0
mended "deleted" "made anew with 2 peers" on db ip link show dev wg0
check "deleted: attached before it has peers" "$(attachment db)" guarded

# What is made anew cannot be brought up while its port is another's.
on db kill -STOP "${agent_pid[db]}"
on db ip link del wg0
serve db udp 192.0.2.2:51820 taker
on db kill -CONT "${agent_pid[db]}"
check "deleted, its port taken: a fault" "$(faults)" until_true 20 eval '[[ $(faults) == *"wg0: UDP port 51820 is taken"* ]]'
check "deleted, its port taken: it has its peers, and is down" "$(on db ip -br link show dev wg0)" \
  eval '[[ $(on db wg show wg0 peers | wc -l) = 2 && $(on db ip -br link show dev wg0) == *DOWN* ]]'
traffic db stop taker
check "deleted, its port free again: mended within the minute" "" until_true 75 said "takes what it refused before"
check "deleted, its port free again: traffic goes on" "" until_true 30 pings

# A stranger's takes the name of the one that was deleted.
on db kill -STOP "${agent_pid[db]}"
on db ip link del wg0
on db ip link add wg0 type wireguard
on db wg set wg0 peer "$stolen" allowed-ips 10.90.0.3/32
on db ip addr add 10.8.0.1/24 dev wg0
strangers() { on db sh -c 'ip -o link show dev wg0; ip -o addr show dev wg0; wg show wg0 dump; tc qdisc show dev wg0'; }
as_made=$(strangers)
on db kill -CONT "${agent_pid[db]}"
check "deleted, its name taken: a fault" "$(faults)" until_true 20 eval '[[ $(faults) == *"krait did not make"* ]]'
check "deleted, its name taken: the stage is absent" "$(stage)" test "$(stage)" = absent
said=$(on db krait reload 2>&1)
check "deleted, its name taken: a reload is refused" "$said" eval '[[ $said == *"krait did not make"*"krait-agent --iface wg0"* ]]'
check "deleted, its name taken: the other is as it was" "" test "$(strangers)" = "$as_made"
on db ip link del wg0
mended "deleted, its name free again" "wg0 is as it should be again" on db ip link show dev wg0

kind=$(attachment db)
on db ip link set wg0 netns "${host_holder[switch]}"
check "moved to another namespace: a fault" "$(faults)" until_true 10 eval '[[ $(faults) == *"another network namespace"* ]]'
check "moved to another namespace: the stage is absent" "$(stage)" test "$(stage)" = absent
check "moved to another namespace: nothing is attached here" "$(attachment db)" test "$(attachment db)" = none
if [[ $kind == clsact ]]; then
  # Its filters did not go with it.
  check "moved to another namespace: it is deleted there" "$(faults)" eval '[[ $(faults) == *"it was deleted there"* ]]'
  check "moved to another namespace: nothing of it is left" "" not in_namespace switch ip link show dev wg0
  check "moved to another namespace: reload makes it anew" "$(on db krait reload 2>&1)" guarded
  mended "made anew" "wg0 is as it should be again" eval '[[ -z $(faults) ]]'
else
  check "moved to another namespace: it is judged there" "$(faults)" eval '[[ $(faults) == *"judged there as before"* ]]'
  in_namespace switch ip link set wg0 netns "${host_holder[db]}"
  mended "moved back" "wg0 is as it should be again" guarded
fi
check "the stage is enforcing" "$(stage)" test "$(stage)" = enforcing

# office has to notice first that its session is gone with the former wg0.
refused_again() { ! on office ping -c 1 -W 1 10.90.0.2 && rose db no_rule ingress "$before"; }
before=$(drops db no_rule ingress)
check "office is refused still" "db, no_rule, ingress" until_true 60 refused_again
check "not a record of office's came in" "$(count office refused received)" test "$(count office refused received)" = 0
check "it is the same connection" "$(count db transfer received) records" \
  test "$(count db transfer connections misplaced)" = "1 0"
finish upkeep
