#!/bin/bash
# What real networks bring, over IPv4 and IPv6: big datagrams in fragments, segmented ones, every kind of ping. The wire
# below is IPv6 only. web lets everything out, so that db is the judge.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

fragments=6 # of a datagram of 8000 bytes through an MTU of 1420
granted=("web db tcp/5432 udp/9000 icmp/echo-request")

# both_ways PROTOCOL ADDRESS:PORT STATE [RATE BYTES SEGMENTS]: records arrive at either end.
both_ways() {
  local status=0
  serve db "$@" && send web "$@" && traffic db wait "$3" 100 30 && traffic web wait "$3" 50 30 || status=1
  [[ $1 == tcp ]] || settle "$3" || status=1
  traffic web stop "$3"
  traffic db stop "$3"
  return "$status"
}

# denied_fragments FAMILY ADDRESS: port 9001 has a listener and no rule.
denied_fragments() {
  local family=$1 name=frag-denied-$1 first_before later_before sent
  first_before=$(drops db no_rule ingress)
  later_before=$(drops db fragment_unknown ingress)
  serve db udp "$2:9001" "$name" 10 8000
  send web udp "$2:9001" "$name" 20 8000
  check "$family: fragments to a denied port arrive" "" await_drops db fragment_unknown ingress "$later_before" 50
  traffic web pause "$name"
  sent=$(count web "$name" sent)
  check "$family: each first fragment is dropped by its port" "$sent, no_rule" \
    until_true 10 rose db no_rule ingress "$first_before" "$sent"
  check "$family: each later one is dropped as unknown" "$((sent * (fragments - 1))), fragment_unknown" \
    until_true 10 rose db fragment_unknown ingress "$later_before" "$((sent * (fragments - 1)))"
  check "$family: none reached the listener" "" test "$(count db "$name" received)" = 0
  traffic web stop "$name"
  traffic db stop "$name"
}

# pings FAMILY ADDRESS
pings() {
  local family=$1 address=$2
  check "$family: pings that fragment" "" on web ping -c 3 -i 0.2 -W 5 -s 8000 "$address"
  check "$family: a flood of pings" "$(on web ping -f -c 300 -W 5 "$address" | grep -o '[0-9]* received, .* loss')" \
    all_answered web "$address"
  denied "$family: db pings web" db no_rule egress on db ping -c 1 -W 2 "${address%2}1"
}
all_answered() { on "$1" ping -f -c 100 -W 5 "$2" | grep -q '100 received, 0% packet loss'; }

# timestamp HOST ADDRESS: an ICMP timestamp request (RFC 792).
timestamp() { on "$1" krait-lab-traffic icmp "$2" 0d00000012340001000000000000000000000000; }
answered() { (($(allowed db db web egress) > $1)); }

underlay_prefix="[2001:db8::" underlay_suffix="]"
mesh_of_three "web db any"
for name in web db office; do on "$name" ip -4 addr flush dev eth0; done
put_policy db "${granted[@]}"
reload db
for address in 10.90.0.2 fd90::2; do
  check "web pings db at $address" "" on web ping -c 1 -W 5 "$address"
done
check "they shook hands over IPv6" "$(on web wg show wg0 endpoints | grep -o "\[.*2\].*")" shook_hands web db
for family in "IPv4 10.90.0.2" "IPv6 [fd90::2]"; do
  read -r family address <<<"$family"
  check "$family: TCP both ways" "" both_ways tcp "$address:5432" "tcp-$family"
  check "$family: UDP both ways" "" both_ways udp "$address:9000" "udp-$family"
  check "$family: datagrams of 8000 bytes, both ways, whole" "" both_ways udp "$address:9000" "frag-$family" 50 8000
  check "$family: segmented datagrams, both ways, each one" "" both_ways udp "$address:9000" "gso-$family" 400 1200 20
  denied_fragments "$family" "$address"
  pings "$family" "${address//[][]/}"
done
check "IPv4 options: a ping that records its route" "" on web ping -R -c 1 -W 5 10.90.0.2
before=$(drops db no_rule ingress)
timestamp web 10.90.0.2
check "a timestamp request is not an echo" "db no_rule ingress" await_drops db no_rule ingress "$before"
put_policy db "web db icmp/13"
reload db
before=$(allowed db db web egress)
timestamp web 10.90.0.2
check "allowed by its number it is answered" "" until_true 10 answered "$before"
denied "then an echo request is not" db no_rule ingress on web ping -c 1 -W 2 10.90.0.2
finish real_traffic
