#!/bin/bash
# What real networks bring, over IPv4 and IPv6: big datagrams in fragments, UDP floods that travel as GSO packets, every kind
# of ping. The wire below is IPv6 only. web lets everything out, so that db is the judge.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

flood_bytes=1200
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

# seen HOST DIRECTION: "PACKETS BYTES" of web to db that passed there.
seen() {
  echo "$(allowed "$1" web db "$2") $(metric "$1" krait_bytes_total source=web destination=db "direction=$2" verdict=allow)"
}

# received_by_wireguard: datagrams that db's WireGuard has decrypted, an independent count.
received_by_wireguard() { on db cat /proc/net/dev | awk '$1 == "wg0:" { print $3 }'; }

# judged_all BEFORE BEFORE-WIREGUARD: db has judged all that its WireGuard has handed over since.
judged_all() { (($(metric db krait_packets_total direction=ingress) - $1 == $(received_by_wireguard) - $2)); }

# joined TEXT HEADER-BYTES PACKETS BYTES: the headers of segments judged as one packet count once.
joined() {
  local pieces=$((($4 - $3 * flood_bytes) / $2))
  check "$1" "$3 in $pieces pieces" test "$pieces" -lt "$3"
}

# flood FAMILY ADDRESS HEADER-BYTES: twenty records a piece, faster than the guest can take them.
flood() {
  local family=$1 name=flood-$1 sent judged wire out in_
  judged=$(metric db krait_packets_total direction=ingress) wire=$(received_by_wireguard)
  read -ra out < <(seen web egress)
  read -ra in_ < <(seen db ingress)
  serve db udp "$2:9000" "$name" 1 $flood_bytes
  send web udp "$2:9000" "$name" 4000 $flood_bytes 20
  check "$family: a flood runs" "" traffic db wait "$name" 2000 30
  traffic web pause "$name"
  sent=$(count web "$name" sent)
  check "$family: db judges all that WireGuard hands over" "$(($(received_by_wireguard) - wire)) of $sent sent" \
    until_true 20 judged_all "$judged" "$wire"
  read -ra out < <(since "${out[@]}" "$(seen web egress)")
  read -ra in_ < <(since "${in_[@]}" "$(seen db ingress)")
  check "$family: web counts each segment that left" "${out[0]}" test "${out[0]}" = "$sent"
  joined "$family: web judges segments in joined packets" "$3" "${out[@]}"
  joined "$family: db too" "$3" "${in_[@]}"
  traffic web stop "$name"
  traffic db stop "$name"
}
# since PACKETS BYTES "PACKETS BYTES": by how much they rose.
since() {
  local now
  read -ra now <<<"$3"
  echo "$((now[0] - $1)) $((now[1] - $2))"
}

# denied_flood FAMILY ADDRESS: the same to a port without a rule, with a listener.
denied_flood() {
  local family=$1 name=flood-denied-$1 judged wire refused
  judged=$(metric db krait_packets_total direction=ingress) wire=$(received_by_wireguard)
  refused=$(drops db no_rule ingress)
  serve db udp "$2:9001" "$name" 1 $flood_bytes
  send web udp "$2:9001" "$name" 4000 $flood_bytes 20
  check "$family: a denied flood runs" "" await_drops db no_rule ingress "$refused" 2000
  traffic web pause "$name"
  check "$family: each segment of it is dropped" "$(count web "$name" sent) sent, $(($(received_by_wireguard) - wire)) came, no_rule" \
    until_true 20 refused_all "$refused" "$wire"
  check "$family: nothing else was judged" "" judged_all "$judged" "$wire"
  check "$family: none of it passes" "" test "$(count db "$name" received)" = 0
  traffic web stop "$name"
  traffic db stop "$name"
}
refused_all() { (($(drops db no_rule ingress) - $1 == $(received_by_wireguard) - $2)); }

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
for family in "IPv4 10.90.0.2 28" "IPv6 [fd90::2] 48"; do
  read -r family address header <<<"$family"
  check "$family: TCP both ways" "" both_ways tcp "$address:5432" "tcp-$family"
  check "$family: UDP both ways" "" both_ways udp "$address:9000" "udp-$family"
  check "$family: datagrams of 8000 bytes, both ways, whole" "" both_ways udp "$address:9000" "frag-$family" 50 8000
  check "$family: segmented datagrams, both ways, each one" "" both_ways udp "$address:9000" "gso-$family" 400 1200 20
  denied_fragments "$family" "$address"
  flood "$family" "$address" "$header"
  denied_flood "$family" "$address"
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
