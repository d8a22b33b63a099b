#!/bin/bash
# Two networks behind two gateways: judged by the real endpoints, path-MTU discovery through a policy that names no ICMP,
# traceroute.
#
#     alice ---- web ======== db ---- near ---- far ---- bob          site-a 10.1.0.0/16, fd90:1::/32: alice
#                                  |      1300                        site-b 10.2.0.0/16, fd90:2::/32: the routers, bob
#                                carol                                vault  10.2.3.3, fd90:2:3::3: carol, within site-b
#
# web and db run krait; the others know nothing of it.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh
# shellcheck source=lab/packets.sh
. /lab/packets.sh

narrow_mtu=1300
identities=(web db site-a site-b vault)
host_routes=(
  [web]="10.1.0.0/16 site-a fd90:1::/32 site-a"
  [db]="10.2.0.0/16 site-b fd90:2::/32 site-b 10.2.3.3/32 vault fd90:2:3::3/128 vault"
)
granted=("site-a site-b tcp/5432 udp/9000" "vault site-a tcp/7000")

# network IPV4/IPV6 HOST DEVICE HOST DEVICE: a cable, the first host has .1 and ::1 there, the other .2 and ::2.
network() {
  local net4=${1%%/*} net6=${1##*/}
  cable "$2" "$3" "$4" "$5"
  addresses "$2" "$3" "$net4.1/24" "$net6::1/64"
  addresses "$4" "$5" "$net4.2/24" "$net6::2/64"
}

# routes HOST PREFIX GATEWAY...
routes() {
  local name=$1
  shift
  while (($#)); do
    on "$name" ip route add "$1" via "$2"
    shift 2
  done
}

build_sites() {
  local name
  hosts_begin
  for name in web db; do host_new "$name"; done
  for name in alice near far bob carol; do hold "$name"; done
  network 10.1.0/fd90:1:0 web lan alice lan
  network 10.2.1/fd90:2:1 db lan near west
  network 10.2.9/fd90:2:9 near east far west
  network 10.2.2/fd90:2:2 far east bob lan
  cable db lan2 carol lan
  addresses db lan2 10.2.3.1/24 fd90:2:3::1/64
  addresses carol lan 10.2.3.3/24 fd90:2:3::3/64
  on near ip link set east mtu $narrow_mtu
  on far ip link set west mtu $narrow_mtu
  forwards web db near far
  routes alice default 10.1.0.1 default fd90:1::1
  routes db 10.2.2.0/24 10.2.1.2 fd90:2:2::/48 fd90:2:1::2
  routes near default 10.2.1.1 default fd90:2:1::1 10.2.2.0/24 10.2.9.2 fd90:2:2::/48 fd90:2:9::2
  routes far default 10.2.9.1 default fd90:2:9::1
  routes bob default 10.2.2.1 default fd90:2:2::1
  routes carol default 10.2.3.1 default fd90:2:3::1
}

# runs_both_ways FROM TO PROTOCOL ADDRESS:PORT STATE [RATE BYTES]
runs_both_ways() {
  goes_both_ways "$@"
  local status=$?
  stop_both "$1" "$2" "$5"
  return "$status"
}
stop_both() { traffic "$1" stop "$3" && traffic "$2" stop "$3"; }
# The same, and goes on.
goes_both_ways() {
  local from=$1 to=$2
  shift 2
  serve "$to" "$@" && send "$from" "$@" && traffic "$to" wait "$3" 100 20 && traffic "$from" wait "$3" 100 20
}

knows_path_mtu() { on alice ip route get "$1" | grep -q "mtu $narrow_mtu"; }
forget_path_mtu() { on alice ip route flush cache && on alice ip -6 route flush cache; }

# real_endpoints FAMILY ALICE BOB CAROL: the gateways look at who really talks, and the longest prefix says who that is.
real_endpoints() {
  local family=$1 alice=$2 bob=$3 carol=$4
  serve bob tcp "$bob:5432" bob-5432 10
  serve carol tcp "$carol:5432" carol-5432 10
  serve alice tcp "$alice:7000" alice-7000 10
  check "$family: alice opens bob's tcp/5432" "" opens alice "$bob:5432" to-bob
  check "$family: carol opens alice's tcp/7000" "" opens carol "$alice:7000" to-alice
  denied "$family: alice opens tcp/5432 of carol, who is not site-b" web no_rule egress opens alice "$carol:5432" to-carol
  denied "$family: bob, who is not vault, opens alice's tcp/7000" db no_rule egress opens bob "$alice:7000" to-alice
  traffic bob stop bob-5432
  traffic carol stop carol-5432
  traffic alice stop alice-7000
}

# path_mtu FAMILY ALICE BOB UDP-BYTES: near's answer "too big" crosses both gateways because it speaks of a live flow.
path_mtu() {
  local family=$1 alice=$2 bob=$3 bytes=$4 address protocol
  local -a pace
  address=${bob//[][]/}
  for protocol in tcp/5432 udp/9000; do
    forget_path_mtu
    pace=(100000) # more than any guest sends, so that TCP fills its segments
    [[ $protocol == tcp/* ]] || pace=(100 "$bytes")
    check "$family: ${protocol%/*} passes the narrow cable both ways" "" \
      goes_both_ways alice bob "${protocol%/*}" "$bob:${protocol#*/}" "pmtu-$family-${protocol%/*}" "${pace[@]}"
    # TCP may fill its first segment later than its first hundred records.
    check "$family: alice has learned the path's MTU by it" "mtu $narrow_mtu" until_true 20 knows_path_mtu "$address"
    stop_both alice bob "pmtu-$family-${protocol%/*}"
  done
}

# forged FAMILY ALICE BOB: a message about a flow that does not exist, stopped by either gateway.
forged() {
  local family=$1 alice=$2 bob=$3 message
  message=$(too_big 600 "$alice" "$bob" 17 40000 9000)
  error_dropped "$family: a forged message" db egress near "$alice" "$message"
  # The gateway of its own site lets everything out, the other one is the judge.
  put_policy db "${granted[@]}" "site-b site-a any"
  reload db
  error_dropped "$family: a forged message" web ingress near "$alice" "$message"
  put_policy db "${granted[@]}"
  reload db
}

# error_dropped TEXT GATEWAY DIRECTION SENDER ADDRESS MESSAGE
error_dropped() {
  local before
  before=$(drops "$2" icmp_error_unrelated "$3")
  on "$4" krait-lab-traffic icmp "$5" "$6"
  check "$1: dropped at $2" "icmp_error_unrelated $3" await_drops "$2" icmp_error_unrelated "$3" "$before"
}

# hops HOST ADDRESS [traceroute's arguments]: the path, one word a hop.
hops() { on "$1" traceroute -n -q 1 -w 5 -m 8 "${@:3}" "$2" 2>&1 | awk '$1 ~ /^[0-9]+$/ { print $2 }' | tr '\n' ' '; }

# traceroutes: the hops behind db answer "time exceeded" about a live flow, and bob "port unreachable".
traceroutes() {
  local seen before
  put_policy "web db" "${granted[@]}" "site-a site-b udp/33434-33499 icmp/echo-request"
  reload web db
  forget_path_mtu
  before=$(drops db reverse_path ingress)
  seen=$(hops alice 10.2.2.2)
  check "a router to whose address db has no route stays dark" "$seen" test "$seen" = "10.1.0.1 10.90.0.2 10.2.1.2 * 10.2.2.2 "
  check "its answer is counted" "db reverse_path ingress" rose db reverse_path ingress "$before"
  routes db 10.2.9.0/24 10.2.1.2 fd90:2:9::/64 fd90:2:1::2
  seen=$(hops alice 10.2.2.2)
  check "traceroute by UDP" "$seen" test "$seen" = "10.1.0.1 10.90.0.2 10.2.1.2 10.2.9.2 10.2.2.2 "
  seen=$(hops alice 10.2.2.2 -I)
  check "traceroute by ICMP echo" "$seen" test "$seen" = "10.1.0.1 10.90.0.2 10.2.1.2 10.2.9.2 10.2.2.2 "
  seen=$(hops alice fd90:2:2::2 -6)
  check "traceroute over IPv6" "$seen" test "$seen" = "fd90:1::1 fd90::2 fd90:2:1::2 fd90:2:9::2 fd90:2:2::2 "
  # A router whose address is nobody's may not speak, whatever it speaks of.
  addresses near west 198.51.100.1/32
  on near ip route replace default via 10.2.1.1 src 198.51.100.1
  routes db 198.51.100.1/32 10.2.1.2
  before=$(drops db unknown_source egress)
  seen=$(hops alice 10.2.2.2)
  check "a router without an identity stays dark" "$seen" test "$seen" = "10.1.0.1 10.90.0.2 * 10.2.9.2 10.2.2.2 "
  check "its answer is counted" "db unknown_source egress" rose db unknown_source egress "$before"
}

# gateways_own: db's own addresses in the networks behind it are db, to which nobody has a right.
gateways_own() {
  local family=$1 address=$2
  serve db tcp "$address:5432" "own-$family" 10
  denied "$family: alice opens tcp/5432 of the gateway itself by its address in site-b" db no_rule ingress \
    opens alice "$address:5432" "to-own-$family"
  traffic db stop "own-$family"
}

# neighbours: carol is on db's lan2, and has nothing but her own right.
neighbours() {
  local before
  put_policy "web db" "${granted[@]}" "db web icmp/echo-request" "site-b web icmp/echo-request"
  reload web db
  check "db pings web" "" on db ping -c 1 -W 5 10.90.0.1
  addresses carol lo fd90::2/128 10.90.0.2/32 fd90:2:1::99/128
  denied "carol sends with db's IPv6 address" db outside_tunnel ingress on carol ping -c 1 -W 2 -I fd90::2 fd90::1
  denied "carol sends with an address of db's other network" db reverse_path egress \
    on carol ping -c 1 -W 2 -I fd90:2:1::99 fd90::1
  before=$(allowed db db web egress)
  denied "carol sends with db's IPv4 address" db outside_tunnel ingress on carol ping -c 1 -W 2 -I 10.90.0.2 10.90.0.1
  check "nothing left as db" "$before allowed before and after" test "$(allowed db db web egress)" = "$before"
  on db nft 'add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; };
             add rule ip nat post oifname wg0 ip saddr 10.2.3.3 masquerade'
  check "carol pings web, masqueraded to db" "" on carol ping -c 1 -W 5 10.90.0.1
  check "she speaks as db then" "db -> web allowed: $before -> $(allowed db db web egress)" \
    test "$(allowed db db web egress)" -gt "$before"
  on db nft 'add rule ip nat post oifname wg0 ip saddr 10.77.0.0/24 masquerade'
  on db ip route add 10.77.0.0/24 dev eth0 # as if containers were there
  addresses carol lo 10.77.0.5/32
  denied "carol sends with a container's address, masqueraded to db" db reverse_path ingress \
    on carol ping -c 1 -W 2 -I 10.77.0.5 10.90.0.1
  on db ip route del 10.77.0.0/24 dev eth0
  on db nft delete table ip nat
}

# impostors FAMILY WEB ALICE DB NEAR: on db's lan2 carol has the addresses of web and of a host behind it. Nothing of hers
# may pass for theirs: not to db, not through it to a network behind it.
impostors() {
  local family=$1 web=$2 alice=$3 db=$4 near=$5
  addresses carol lo "$web/${6:-32}" "$alice/${6:-32}"
  denied "$family: carol sends to db as web" db outside_tunnel ingress on carol ping -c 1 -W 2 -I "$web" "$db"
  denied "$family: carol sends to db as alice" db outside_tunnel ingress on carol ping -c 1 -W 2 -I "$alice" "$db"
  denied "$family: carol sends through db as alice" db outside_tunnel ingress on carol ping -c 1 -W 2 -I "$alice" "$near"
  on carol ip addr del "$web/${6:-32}" dev lo
  on carol ip addr del "$alice/${6:-32}" dev lo
  check "$family: as herself she reaches db" "" on carol ping -c 1 -W 5 "$db"
  check "$family: as herself she reaches near" "" on carol ping -c 1 -W 5 "$near"
}

# network_gone: what goes to a network behind db, whose own route is gone, does not follow a wider one.
network_gone() {
  put_policy "web db" "${granted[@]}" "site-a vault tcp/7001"
  reload web db
  serve carol tcp 10.2.3.3:7001 vault-7001 10
  check "alice opens carol's tcp/7001" "" opens alice 10.2.3.3:7001 to-vault-1
  routes db default 10.2.1.2
  on db ip link set lan2 down
  denied "carol's network is gone, and db has a default route" db not_relayed ingress \
    opens alice 10.2.3.3:7001 to-vault-2
  check "status of db names the network" "" until_true 20 eval \
    'on db krait status -o json | jq -e ".faults[] | select(.what | contains(\"10.2.3.3/32\"))"'
  on db ip link set lan2 up
  check "the network is back: alice opens carol's tcp/7001" "" until_true 20 opens alice 10.2.3.3:7001 to-vault-3
  traffic carol stop vault-7001
}

build_sites
put_policy "web db" "${granted[@]}"
mesh_up web db
check "the gateways are up" "attached by $(attachment db)" test "$(attachment db)" != null
real_endpoints IPv4 10.1.0.2 10.2.2.2 10.2.3.3
real_endpoints IPv6 "[fd90:1::2]" "[fd90:2:2::2]" "[fd90:2:3::3]"
path_mtu IPv4 10.1.0.2 10.2.2.2 1390
path_mtu IPv6 "[fd90:1::2]" "[fd90:2:2::2]" 1370
forged IPv4 10.1.0.2 10.2.2.2
forged IPv6 fd90:1::2 fd90:2:2::2
traceroutes
addresses alice lo 10.2.2.99/32
denied "alice sends from an address of the other site" web outside_tunnel ingress \
  on alice ping -c 1 -W 2 -I 10.2.2.99 10.2.2.2
check "no packet is counted for the gateways themselves" "" test "$(allowed db web db ingress)" = 0
gateways_own IPv4 10.2.3.1
gateways_own IPv6 "[fd90:2:3::1]"
neighbours
impostors IPv4 10.90.0.1 10.1.0.2 10.2.3.1 10.2.1.2
impostors IPv6 fd90::1 fd90:1::2 fd90:2:3::1 fd90:2:1::2 128
network_gone
finish site_to_site
