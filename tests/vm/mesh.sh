#!/bin/bash
# What a mesh lets through and what it drops, and under which reason, over IPv4 and IPv6.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

ping_once() { on "$1" ping -c 1 -W 2 "${@:2}"; }

# expected_attachment: what the kernel offers decides it.
expected_attachment() {
  local release
  release=$(uname -r)
  if [[ ${release%%.*} -gt 6 || $release =~ ^6\.([6-9]|[1-9][0-9])[.-] ]]; then echo tcx; else echo clsact; fi
}

rules=("web db tcp/5432 tcp/8000-8100 icmp/echo-request" "office db any" "deny office db tcp/22")
mesh_of_three "${rules[@]}"
# db alone is stricter, so that what office lets out meets db's ingress.
put_policy db "web db tcp/5432 tcp/8000-8100 icmp/echo-request" "deny office db tcp/22"
reload db

for name in web db office; do
  check "$name is attached as this kernel can" "$(attachment "$name")" test "$(attachment "$name")" = "$(expected_attachment)"
done
for address in 10.90.0.2 fd90::2; do
  check "web pings db at $address" "" ping_once web "$address"
  denied "db pings web from $address" db no_rule egress ping_once db "${address%2}1"
  denied "office pings $address" db no_rule ingress ping_once office "$address"
done
check "web shook hands with db" "" shook_hands web db
for address in 10.90.0.2 "[fd90::2]"; do
  name=${address//[^a-z0-9]/}
  serve db tcp "$address:5432" "allowed-$name"
  serve db tcp "$address:8100" "last-$name"
  serve db tcp "$address:8101" "beyond-$name"
  serve db tcp "$address:22" "ssh-$name"
  check "web opens $address tcp/5432" "" opens web "$address:5432" "allowed-$name"
  check "web opens $address tcp/8100, the last of its range" "" opens web "$address:8100" "last-$name"
  denied "web opens $address tcp/8101" web no_rule egress opens web "$address:8101" "beyond-$name"
  denied "office opens $address tcp/22" office denied_by_rule egress opens office "$address:22" "ssh-$name"
  denied "office opens $address tcp/5432" db no_rule ingress opens office "$address:5432" "allowed-$name"
done
put_policy office "office db any"
reload office
denied "office opens tcp/22 with a policy that lets it out" db denied_by_rule ingress opens office 10.90.0.2:22 strict

on office ip addr add 10.90.0.99/32 dev lo
denied "office sends from an address that is nobody's" office unknown_source egress \
  ping_once office -I 10.90.0.99 10.90.0.2
on office ip addr del 10.90.0.99/32 dev lo
on office ip route add 10.90.1.0/24 dev wg0
denied "office sends to an address that is nobody's" office unknown_destination egress ping_once office 10.90.1.1
denied "office sends to a multicast address" office multicast egress ping_once office -I wg0 224.0.0.9
check "the pair's packets are counted" "web to db: $(allowed db web db ingress)" test "$(allowed db web db ingress)" -gt 0

# What the kernel does not tell who set it, where nothing else changes.
shows() { [[ $(on web wg show wg0 "$1" | grep -F "${public_key[db]}" | cut -f 2) == "$2" ]]; }
secret=$(on web wg genpsk)
put_file web /var/lib/krait/db.psk "$secret"
on web chmod 600 /var/lib/krait/db.psk
on web cp /etc/krait/krait.toml /etc/krait/before
edit() { on web sed -i "s,^endpoint = \"192.0.2.2:51820\"\$,$1," /etc/krait/krait.toml && reload web; }
edit 'endpoint = "192.0.2.2:51821"'
check "a reload sets another endpoint alone" "" shows endpoints 192.0.2.2:51821
on web cp /etc/krait/before /etc/krait/krait.toml
edit '&\nkeepalive_s = 7'
check "and the former one, and a keepalive" "" shows endpoints 192.0.2.2:51820
check "which is there" "" shows persistent-keepalive 7
on web cp /etc/krait/before /etc/krait/krait.toml
edit '&\npreshared_key_file = "/var/lib/krait/db.psk"'
check "it takes the keepalive away" "" shows persistent-keepalive off
check "and sets a preshared key" "" shows preshared-keys "$secret"
secret=$(on web wg genpsk)
put_file web /var/lib/krait/db.psk "$secret"
reload web
check "or another one from the same file" "" shows preshared-keys "$secret"
on web cp /etc/krait/before /etc/krait/krait.toml
reload web
check "and takes it away" "" shows preshared-keys "(none)"
finish mesh
