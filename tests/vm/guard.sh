#!/bin/bash
# `krait-agent --iface wg0` guards an interface that ip and wg made, and leaves everything else of it alone.
# shellcheck disable=SC2016 # what eval gets is expanded when it runs
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

wireguard_by_hand() {
  local name peer n
  for name in web db; do
    on "$name" sh -c 'umask 077; wg genkey >/var/lib/krait/by-hand.key'
    public_key[$name]=$(on "$name" sh -c 'wg pubkey </var/lib/krait/by-hand.key')
  done
  for name in web db; do
    peer=db n=2
    [[ $name == web ]] || { peer=web && n=1; }
    on "$name" ip link add wg0 type wireguard
    on "$name" wg set wg0 listen-port 51820 private-key /var/lib/krait/by-hand.key peer "${public_key[$peer]}" \
      endpoint "192.0.2.$n:51820" allowed-ips "10.90.0.$n/32,fd90::$n/128"
    on "$name" ip addr add "10.90.0.${host_number[$name]}/24" dev wg0
    on "$name" ip addr add "fd90::${host_number[$name]}/64" dev wg0
    on "$name" ip link set wg0 up
  done
}

faults() { on db krait status -o json | jq -r '.faults[] | .what + "; " + .hint'; }
has_fault() { [[ $(faults) == *"$1"* ]]; }
problem() { on db krait doctor | grep -qF "$1"; }

interface() { on db wg showconf wg0 && on db ip -o addr show dev wg0 | awk '{ print $4 }' && on db ip route show dev wg0; }

hosts_begin
host_new web
host_new db
wireguard_by_hand
check "web pings db unguarded" "" on web ping -c 1 -W 5 10.90.0.2
as_made=$(interface)
put_file db /etc/krait/krait.toml "$(mesh_config db web db)"
put_policy db "web db tcp/5432"
# With TCX (6.6) the programs need no qdisc.
if [[ $(uname -r) == 6.1.* ]]; then
  on db tc qdisc add dev wg0 handle ffff: ingress
  on db timeout 60 krait-agent --config /etc/krait/krait.toml --iface wg0 >"$lab_dir/refused" 2>&1
  check "a qdisc that is not clsact is refused" "$(tail -n 1 "$lab_dir/refused")" grep -q 'tc qdisc del dev' "$lab_dir/refused"
  on db tc qdisc del dev wg0 ingress
fi
agent_start db --iface wg0
check "the agent guards wg0" "" agent_ready db
check "the allowed IPs are those of krait.toml: no fault" "$(faults)" test -z "$(faults)"
check "nothing else of wg0 changed" "$(on db wg show wg0 peers | wc -l) peer" test "$(interface)" = "$as_made"
serve db tcp 10.90.0.2:5432 transfer
send web tcp 10.90.0.2:5432 transfer
check "web transfers to db" "" traffic db wait transfer 100 30
# Whoever may send from an address speaks as its identity.
on db wg set wg0 peer "${public_key[web]}" allowed-ips 0.0.0.0/0,fd90::1/128
stranger=$(on db wg genkey | on db wg pubkey)
on db wg set wg0 peer "$stranger" allowed-ips 10.90.0.99/32
reload db
check "allowed IPs that exceed krait.toml are a fault" "$(faults)" has_fault "lets the peer web send from 0.0.0.0/0"
check "it says how to fix it" "" \
  has_fault "wg set wg0 peer ${public_key[web]} allowed-ips 10.90.0.1/32,fd90::1/128; or"
check "so is a peer that krait.toml does not have" "" has_fault "$stranger, and lets it send from 10.90.0.99/32"
check "krait doctor names both" "" eval 'problem "lets the peer web send from 0.0.0.0/0" && problem "$stranger"'
check "the log names both" "" eval 'agent_log db | grep -q "peer web send from" && agent_log db | grep -qF "$stranger"'
on db wg set wg0 peer "$stranger" remove
on db wg set wg0 peer "${public_key[web]}" allowed-ips 10.90.0.1/32,fd90::1/128
check "what is set right is no fault within the minute" "" until_true 75 eval '[[ -z $(faults) ]]'
before=$(drops db no_rule ingress)
check "web pings db in vain" "" eval '! on web ping -c 1 -W 2 10.90.0.2'
check "the drop is counted" "no_rule ingress $before -> $(drops db no_rule ingress)" rose db no_rule ingress "$before"
before=$(drops db no_rule ingress)
put_policy db "web db tcp/443"
reload db
check "a revocation cuts the transfer" "" await_drops db no_rule ingress "$before" 3
check "nothing came after the reload" "" test "$(count db transfer last_ns)" -le "$returned_ns"
on db krait down --iface wg9 >"$lab_dir/refused" 2>&1
check "krait down of another interface is refused" "$(cat "$lab_dir/refused")" grep -q 'keeps wg0, not wg9' "$lab_dir/refused"
on db krait down --socket /run/nobody >"$lab_dir/refused" 2>&1
check "and so it is past the agent" "$(cat "$lab_dir/refused")" grep -q 'an agent that does not answer here keeps wg0' "$lab_dir/refused"
before=$(drops db no_rule ingress)
check "wg0 is guarded as before" "" eval '! on web ping -c 1 -W 2 10.90.0.2'
check "and the drop is counted" "" rose db no_rule ingress "$before"
# What the killed agent left looks like krait's own: its key is that of the files.
on db cp /var/lib/krait/by-hand.key /var/lib/krait/host.key
check "the agent is killed" "" kill_hard db "${agent_pid[db]}"
check "krait down of another interface names this one, and nothing else" "$(on db krait down --iface wg9 2>&1)" \
  test "$(on db krait down --iface wg9 2>&1)" = "already down; wg0 is still guarded: krait down --iface wg0"
check "krait down" "$(on db krait down 2>&1)" eval '! on db test -e /run/krait/bpf/wg0'
check "wg0 is as it was made" "" test "$(interface)" = "$as_made"
check "and no longer guarded" "" traffic db more transfer 100 60
finish guard
