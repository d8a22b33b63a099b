#!/bin/bash
# A revocation stops the next packet of a live flow in both directions, each at either end; a grant lets the same
# connection go on. TCP, UDP, IPv4, IPv6.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

granted=("web db tcp/5432 udp/9000")
revoked=("office web tcp/443")

# cut_at HOST NAME PROTOCOL ADDRESS: cuts the running traffic NAME at HOST alone, then grants it again.
# web initiated: its own packets meet no_rule, db's are replies of a flow that is no longer allowed.
cut_at() {
  local host=$1 name=$2 what="$3 at $1 over $4" own=egress back=ingress own_before back_before last passed_before
  [[ $host == web ]] || { own=ingress && back=egress; }
  own_before=$(drops "$host" no_rule $own)
  back_before=$(drops "$host" flow_revoked $back)
  put_policy "$host" "${revoked[@]}"
  check "$what: reload" "" reload "$host"
  passed_before="$(allowed "$host" web db $own) $(allowed "$host" db web $back)"
  check "$what: web's packets are dropped" "no_rule $own" await_drops "$host" no_rule $own "$own_before" 3
  check "$what: db's packets are dropped" "flow_revoked $back" await_drops "$host" flow_revoked $back "$back_before"
  last=$(count "$host" "$name" last_ns)
  check "$what: nothing after the return" \
    "the last $(milliseconds "$called_ns" "$last") ms after the call, which took $(milliseconds "$called_ns" "$returned_ns") ms" \
    test "$last" -le "$returned_ns"
  check "$what: nothing counted as allowed" "$passed_before" \
    test "$(allowed "$host" web db $own) $(allowed "$host" db web $back)" = "$passed_before"
  put_policy "$host" "${granted[@]}"
  reload "$host"
  check "$what: it goes on" "" both_more "$name"
}

both_more() { traffic db more "$1" 100 60 && traffic web more "$1" 50 60; }

mesh_of_three "${granted[@]}"
for family in "ipv4 10.90.0.2" "ipv6 [fd90::2]"; do
  read -r family address <<<"$family"
  for protocol in tcp/5432 udp/9000; do
    name=$family-${protocol%/*}
    serve db "${protocol%/*}" "$address:${protocol#*/}" "$name" 200
    send web "${protocol%/*}" "$address:${protocol#*/}" "$name" 200
    check "$name runs" "" traffic web wait "$name" 100 30
    cut_at db "$name" "${protocol%/*}" "$family"
    cut_at web "$name" "${protocol%/*}" "$family"
    if [[ $protocol == tcp/* ]]; then
      check "$name: one connection, in sequence" "$(count db "$name" received) records" \
        test "$(count db "$name" connections misplaced) $(count web "$name" misplaced)" = "1 0 0"
    fi
    traffic web stop "$name"
    traffic db stop "$name"
  done
done
finish revocation
