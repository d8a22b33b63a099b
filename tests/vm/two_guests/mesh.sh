#!/bin/bash
# Two guests, each with a kernel of its own, on one virtual wire: the mesh, a revocation in both directions, a grant.
#
#     guest "web" 192.0.2.1 eth0 ======= eth0 192.0.2.2 guest "db"
#
# web leads and has db's commands run over the wire.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

if [[ $LAB_ROLE == db ]]; then
  two_guests_begin db web
  remote_serve 200
  exit
fi
two_guests_begin web db
check "the guests see each other" "" until_true 60 on db true
check "two kernels" "$(on web uname -r) and $(on db uname -r)" true
granted=("web db tcp/5432 icmp/echo-request")
put_policy "web db" "${granted[@]}"
mesh_up web db
check "web pings db" "$(attachment web) to $(attachment db)" on web ping -c 2 -W 5 10.90.0.2
check "over IPv6 too" "" on web ping -c 1 -W 5 fd90::2
check "they have shaken hands" "" shook_hands db web
serve db tcp 10.90.0.2:5432 transfer
send web tcp 10.90.0.2:5432 transfer
check "web transfers to db" "" traffic db wait transfer 300 30
for host in db web; do
  own=egress back=ingress
  [[ $host == web ]] || { own=ingress && back=egress; }
  own_before=$(drops "$host" no_rule $own)
  back_before=$(drops "$host" flow_revoked $back)
  put_policy "$host" "office web tcp/443"
  reload "$host"
  passed_before="$(allowed "$host" web db $own) $(allowed "$host" db web $back)"
  check "cut at $host: web's packets are dropped" "" await_drops "$host" no_rule $own "$own_before" 3
  check "cut at $host: db's packets are dropped" "" await_drops "$host" flow_revoked $back "$back_before"
  check "cut at $host: nothing passed after the return" "$passed_before" \
    test "$(allowed "$host" web db $own) $(allowed "$host" db web $back)" = "$passed_before"
  put_policy "$host" "${granted[@]}"
  reload "$host"
  check "granted at $host: it goes on" "" traffic db more transfer 100 60
done
check "one connection, in sequence" "$(count db transfer received) records" \
  test "$(count db transfer connections misplaced) $(count web transfer misplaced)" = "1 0 0"
on db touch /tmp/remote-end
finish two_guests
