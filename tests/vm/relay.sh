#!/bin/bash
# web and office know each other's addresses behind db alone: db relays between two peers of one interface.
#
#     web 10.90.0.1 ======== db 10.90.0.2 ======== office 10.90.0.3
#
# Each of the three judges: the two ends, and db both as the packet comes in and as it leaves.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

granted=("web office tcp/5432 udp/9000 icmp/echo-request")
revoked=("office web tcp/443")
host_peers=([web]=db [office]=db)
host_routes=(
  [web/db]="10.90.0.3/32 office fd90::3/128 office"
  [office/db]="10.90.0.1/32 web fd90::1/128 web"
)

# relayed DIRECTION: web's packets to office that db let through there.
relayed() { allowed db web office "$1"; }

# cut_at_db NAME: db alone withdraws the right while NAME runs, then grants it again.
cut_at_db() {
  local name=$1 own_before back_before last
  own_before=$(drops db no_rule ingress)
  back_before=$(drops db flow_revoked ingress)
  put_policy db "${revoked[@]}"
  reload db
  check "$name cut at db: web's packets are dropped as they come in" "no_rule" await_drops db no_rule ingress "$own_before" 3
  check "$name cut at db: office's too" "flow_revoked" await_drops db flow_revoked ingress "$back_before"
  last=$(count office "$name" last_ns)
  check "$name cut at db: nothing reaches office after the return" \
    "the last $(milliseconds "$called_ns" "$last") ms after the call, which took $(milliseconds "$called_ns" "$returned_ns") ms" \
    test "$last" -le "$returned_ns"
  put_policy db "${granted[@]}"
  reload db
  check "$name granted at db: it goes on" "" traffic office more "$name" 50 60
}

mesh_of_three "${granted[@]}"
forwards db
for address in 10.90.0.3 fd90::3; do
  check "web pings office at $address through db" "" on web ping -c 1 -W 5 "$address"
done
check "web has a session with db alone" "$(on web wg show wg0 peers | wc -l) peer" shook_hands web db
for family in "IPv4 10.90.0.3" "IPv6 [fd90::3]"; do
  read -r family address <<<"$family"
  for protocol in tcp/5432 udp/9000; do
    name=$family-${protocol%/*}
    in_before=$(relayed ingress)
    out_before=$(relayed egress)
    serve office "${protocol%/*}" "$address:${protocol#*/}" "$name"
    send web "${protocol%/*}" "$address:${protocol#*/}" "$name"
    check "$name runs through db both ways" "" eval "traffic office wait $name 100 30 && traffic web wait $name 50 30"
    cut_at_db "$name"
    traffic web stop "$name"
    traffic office stop "$name"
    check "$name is judged at db as it comes and as it goes" "$(($(relayed ingress) - in_before)) in, $(($(relayed egress) - out_before)) out" \
      test "$(($(relayed egress) - out_before))" -gt 50
  done
done
denied "web opens tcp/443 of office" web no_rule egress opens web 10.90.0.3:443 refused
check "relaying is not spoofing" "source_not_local $(drops db source_not_local egress)" \
  test "$(drops db source_not_local)" = 0
addresses db lo 10.90.0.3/32 fd90::3/128
for address in 10.90.0.3 fd90::3; do
  denied "db has office's address $address itself" db not_relayed ingress on web ping -c 1 -W 2 "$address"
done
on db ip addr del 10.90.0.3/32 dev lo
on db ip addr del fd90::3/128 dev lo
forwards_no_more db
for address in 10.90.0.3 fd90::3; do
  denied "db does not forward to $address" db not_relayed ingress on web ping -c 1 -W 2 "$address"
done
forwards db
check "db relays again" "" eval 'on web ping -c 1 -W 5 10.90.0.3 && on web ping -c 1 -W 5 fd90::3'
addresses db lo 10.90.0.1/32
denied "db itself sends in web's name" db source_not_local egress on db ping -c 1 -W 2 -I 10.90.0.1 10.90.0.3
on db ip addr del 10.90.0.1/32 dev lo
hold neighbour
cable db lan neighbour lan
addresses db lan 10.91.0.1/24
addresses neighbour lan 10.91.0.2/24
addresses neighbour lo 10.90.0.1/32
on neighbour ip route add default via 10.91.0.1
pings_as_web() { on neighbour ping -c 1 -W 2 -I 10.90.0.1 10.90.0.3; }
fenced() { ! pings_as_web && rose db outside_tunnel ingress 0; }
until_true 10 fenced # the agent sees to a new interface a quarter of a second later
denied "a neighbour of db sends in web's name" db outside_tunnel ingress pings_as_web
denied "a neighbour of db sends in its own name" db unknown_source egress on neighbour ping -c 1 -W 2 -I 10.91.0.2 10.90.0.3
finish relay
