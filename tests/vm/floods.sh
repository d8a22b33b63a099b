#!/bin/bash
# UDP floods of segmented datagrams, joined by GSO on the way out and by GRO on the way in: each segment is counted, and nothing
# denied passes. WireGuard's own count of what it decrypted is the measure; web lets everything out, so that db is the judge.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

flood_bytes=1200

# seen HOST DIRECTION: "PACKETS BYTES" of web to db that passed there.
seen() {
  echo "$(allowed "$1" web db "$2") $(metric "$1" krait_bytes_total source=web destination=db "direction=$2" verdict=allow)"
}

# received_by_wireguard: packets that db's WireGuard has decrypted, an independent count.
received_by_wireguard() { on db cat /proc/net/dev | awk '$1 == "wg0:" { print $3 }'; }

# agrees RISE-OF-KRAIT'S RISE-OF-WIREGUARD'S: WireGuard counts its keepalives and handshakes too, a few in so short a time.
agrees() { (($2 - $1 >= 0 && $2 - $1 <= 4)); }

# judged_all BEFORE BEFORE-WIREGUARD: db has judged all that its WireGuard has handed over since.
judged_all() { agrees $(($(metric db krait_packets_total direction=ingress) - $1)) $(($(received_by_wireguard) - $2)); }

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
refused_all() { agrees $(($(drops db no_rule ingress) - $1)) $(($(received_by_wireguard) - $2)); }

mesh_of_three "web db any"
put_policy db "web db udp/9000"
reload db
for family in "IPv4 10.90.0.2 28" "IPv6 [fd90::2] 48"; do
  read -r family address header <<<"$family"
  flood "$family" "$address" "$header"
  denied_flood "$family" "$address"
done
finish floods
