#!/bin/bash
# The interface's MTU follows the underlay: its links and its routes, not what an ICMP message says. What is passed on for
# others carries an MSS that fits.
#
#     alice ---- web ======== db ---- bob        site-a 10.1.0.0/16, fd90:1::/32; site-b 10.2.0.0/16, fd90:2::/32
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh
# shellcheck source=lab/packets.sh
. /lab/packets.sh

identities=(web db site-a site-b)
host_routes=(
  [web]="10.1.0.0/16 site-a fd90:1::/32 site-a"
  [db]="10.2.0.0/16 site-b fd90:2::/32 site-b"
)
granted=("site-a site-b tcp" "web db tcp" "db web icmp/echo-request")

mtu() { on "$1" cat /sys/class/net/wg0/mtu; }
has_mtu() { [[ $(mtu "$1") == "$2" ]]; }

# network IPV4/IPV6 HOST DEVICE HOST DEVICE: a cable, the first host has .1 and ::1 there, the other .2 and ::2.
network() {
  local net4=${1%%/*} net6=${1##*/}
  cable "$2" "$3" "$4" "$5"
  addresses "$2" "$3" "$net4.1/24" "$net6::1/64"
  addresses "$4" "$5" "$net4.2/24" "$net6::2/64"
}

# fragments HOST: of IPv4, made, put together again, or not allowed.
# shellcheck disable=SC2016
fragments() { on "$1" awk '$1 == "Ip:" && $2 ~ /^[0-9]+$/ { print $15 + $18 + $19 + $20 }' /proc/net/snmp; }

# transfers FROM TO ADDRESS:PORT STATE
transfers() {
  serve "$2" tcp "$3" "$4" && send "$1" tcp "$3" "$4" 2000 && traffic "$2" wait "$4" 2000 30
  local status=$?
  traffic "$1" stop "$4"
  traffic "$2" stop "$4"
  return "$status"
}

hosts_begin
for name in web db; do host_new "$name"; done
for name in alice bob; do hold "$name"; done
network 10.1.0/fd90:1 web lan alice lan
network 10.2.2/fd90:2:2 db lan bob lan
forwards web db
on alice ip route add default via 10.1.0.1
on alice ip route add default via fd90:1::1
on bob ip route add default via 10.2.2.1
on bob ip route add default via fd90:2:2::1
# Two links of 1400 bytes between the hosts, so that whoever sends more has to cut.
on web ip link set eth0 mtu 1400
on db ip link set eth0 mtu 1400
put_policy "web db" "${granted[@]}"
mesh_up web db
for name in web db; do
  check "$name fits into links of 1400 bytes" "$(mtu $name)" has_mtu $name 1340
done
before="$(fragments web) $(fragments db)"
for family in "IPv4 10.2.2.2" "IPv6 [fd90:2:2::2]"; do
  read -r family address <<<"$family"
  # Nobody tells alice how narrow the tunnel is.
  on alice ip -6 route flush cache
  on alice ip route flush cache
  check "$family: alice sends bob a lot" "" transfers alice bob "$address:5432" "large-$family"
done
check "without a fragment" "$before -> $(fragments web) $(fragments db)" test "$(fragments web) $(fragments db)" = "$before"
told_by_icmp() { { on "$1" ip route get "$2" && on "$1" ip route get "$3"; } | grep -q mtu; }
check "alice was not told by ICMP" "" not told_by_icmp alice 10.2.2.2 fd90:2:2::2
check "nor was bob" "" not told_by_icmp bob 10.1.0.2 fd90:1::2

on web ip route replace 192.0.2.2/32 dev eth0 mtu 1360
put_policy web "${granted[@]}" "db web tcp/1"
reload web
check "a reload takes the route's MTU" "$(mtu web)" has_mtu web 1300
on web ip route del 192.0.2.2/32 dev eth0
on web ip link set eth0 mtu 1500
put_policy web "${granted[@]}"
reload web
check "and the link's again" "$(mtu web)" has_mtu web 1440
on web ip route replace 192.0.2.2/32 dev eth0 mtu 1000
put_policy web "${granted[@]}" "db web tcp/1"
reload web
check "never less than IPv6 takes" "$(mtu web)" has_mtu web 1280

# A path MTU that the kernel has learned: anybody who can write a packet with another's address tells it one.
host_new office
learned() { [[ $(on db ip route get "$1") == *"mtu $2"* ]]; }
# forged FAMILY FROM TO LEAST FITTING ENDPOINT: `office` tells db that its packets to web, which is at that endpoint, are too big.
forged() {
  local family=$1 from=$2 to=$3 least=$4 fitting=$5 endpoint=$6
  on office krait-lab-traffic icmp "$from" "$(too_big "$least" "$from" "$to" 17 51820 51820)"
  check "$family: one forged ICMP message, and the kernel has learned a path MTU" "$(on db ip route get "$to")" \
    until_true 10 learned "$to" "$least"
  put_policy db "${granted[@]}" "db web tcp/$fitting"
  on db wg set wg0 peer "${public_key[web]}" endpoint "$endpoint" # here, for web's next packet may bring the former one back
  reload db
  check "$family: wg0's MTU stays" "$(mtu db)" has_mtu db "$fitting"
  check "$family: what the kernel cuts arrives" "" transfers alice bob 10.2.2.2:5432 "cut-$family"
}
on web ip route del 192.0.2.2/32 dev eth0
forged IPv4 192.0.2.2 192.0.2.1 600 1340 192.0.2.1:51820
forged IPv6 2001:db8::2 2001:db8::1 1300 1320 '[2001:db8::1]:51820'
# Who wants the kernel not to believe it either, locks the route's.
on db ip route replace 192.0.2.1/32 dev eth0 mtu lock 1400
on db wg set wg0 peer "${public_key[web]}" endpoint '192.0.2.1:51820'
on office krait-lab-traffic icmp 192.0.2.2 "$(too_big 700 192.0.2.2 192.0.2.1 17 51820 51820)"
check "an MTU that is locked learns nothing" "$(on db ip route get 192.0.2.1)" not learned 192.0.2.1 700
finish mtu
