#!/bin/bash
# Krait beside other people's packet filters and routing rules: it changes none of them, and the doctor says what they
# must let pass.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

# A host that somebody closed with nftables.
closed='table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    iif lo accept
    ct state established,related accept
    tcp dport 22 accept
  }
  chain forward { type filter hook forward priority filter; policy drop; }
}'
# The chains that ufw and Docker make by iptables-nft.
ufw_and_docker='table ip filter {
  chain ufw-user-input { }
  chain ufw-before-input {
    iifname lo accept
    ct state related,established accept
    jump ufw-user-input
  }
  chain INPUT { type filter hook input priority filter; policy drop; jump ufw-before-input; }
  chain DOCKER-USER { return; }
  chain FORWARD { type filter hook forward priority filter; policy drop; jump DOCKER-USER; oifname docker0 accept; }
}
table ip nat {
  chain POSTROUTING { type nat hook postrouting priority srcnat; policy accept; ip saddr 172.17.0.0/16 oifname != docker0 masquerade; }
}'

others() { on "$1" sh -c 'nft -s list ruleset && ip rule && ip -6 rule && ip route show table 100'; }
same() { [[ $(others "$1") == "${before[$1]}" ]]; }
finding() { on "$1" krait doctor -o json | jq -r --arg name "$2" --arg field "$3" 'first(.findings[] | select(.name == $name))[$field]'; }
# mended HOST NAME: does what the doctor says.
mended() { on "$1" sh -c "$(finding "$1" "$2" hint)"; }

declare -A before=()
hosts_begin
for name in web db office; do host_new "$name"; done
on db nft "$closed"
on office nft "$ufw_and_docker"
on db ip rule add from 198.51.100.0/24 lookup 100 pref 1000
on db ip route add default via 192.0.2.1 table 100
for name in web db office; do before[$name]=$(others "$name"); done
check "db has rules of its own" "$(wc -l <<<"${before[db]}") lines" test -n "${before[db]}"

put_policy "web db office" "web db icmp/echo-request" "web db tcp/5432"
host_routes[office]="198.51.100.0/24 office"
check "the mesh is up" "" mesh_up web db office
for name in web db office; do
  check "krait up changed no rule on $name" "" same "$name"
done

check "db's filter lets no peer call" "" not on web ping -c 1 -W 2 10.90.0.2
check "the doctor names the port" "$(finding db 'firewall: port' found)" test "$(finding db 'firewall: port' grade)" = problem
check "and what is open behind it" "$(finding db 'firewall: input' found)" test "$(finding db 'firewall: input' grade)" = warning
check "a routing rule for part of the packets is no problem" "$(finding db routes found)" \
  test "$(finding db routes grade)" != problem
check "the doctor's hint for the port is done" "$(finding db 'firewall: port' hint)" mended db "firewall: port"
check "the doctor's hint for the interface is done" "$(finding db 'firewall: input' hint)" mended db "firewall: input"
check "the doctor has nothing more to say" "$(finding db 'firewall: port' found); $(finding db 'firewall: input' found)" \
  test "$(finding db 'firewall: port' grade)$(finding db 'firewall: input' grade)" = okok
check "web pings db" "" until_true 20 on web ping -c 1 -W 2 10.90.0.2
before[db]=$(others db)

check "on office it names ufw's command" "$(finding office 'firewall: port' hint)" \
  test "$(finding office 'firewall: port' hint)" = "ufw allow 51820/udp"
check "and Docker's or ufw's chain for what is forwarded" "$(finding office 'firewall: forward' hint)" \
  test "$(finding office 'firewall: forward' grade)" = problem

for name in db office; do
  check "krait down on $name" "" on "$name" krait down
  check "it changed no rule" "" same "$name"
done
finish coexistence
