#!/bin/bash
# A host goes over to another key while its traffic runs: peers that were told follow it, and no longer than a handshake
# lies between. What is forbidden passes under neither key.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

rules=("web db tcp/5432 udp/9000" "office web tcp/443")
allowed_ips() { on "$1" wg show wg0 allowed-ips | awk -v key="$2" '$1 == key { $1 = ""; print }'; }
holds() { [[ $(allowed_ips "$1" "$2") == *10.90.0.2/32* ]]; }
goes_on() { traffic db more transfer 200 60; }
# announce KEY: web and office learn db's next key.
announce() {
  local name
  for name in web office; do
    put_file "$name" /etc/krait/krait.toml \
      "$(mesh_config "$name" web db office | sed "s|^public_key = \"${public_key[db]}\"|&\nnext_public_key = \"$1\"|")"
  done
  reload web office
}

mesh_of_three "${rules[@]}"
put_policy office "${rules[@]}" "office db tcp/5432"
reload office
serve db tcp 10.90.0.2:5432 transfer
send web tcp 10.90.0.2:5432 transfer
serve db udp 10.90.0.2:9000 stream
send web udp 10.90.0.2:9000 stream 200
check "traffic runs" "" traffic db wait stream 200 30
before=$(drops db no_rule ingress)
send office tcp 10.90.0.2:5432 refused
check "office is refused" "" await_drops db no_rule ingress "$before"

on db krait key rotate >"$lab_dir/early" 2>&1
check "without a next key nothing rotates" "$(cat "$lab_dir/early")" grep -q 'krait key next' "$lab_dir/early"
next=$(on db krait key next)
check "krait key next says the same twice" "$next" test "$(on db krait key next)" = "$next"
check "the next key is the owner's alone" "" test "$(on db stat -c %a /var/lib/krait/host.key.next)" = 600
announce "$next"
check "krait status knows whose the next key is" "$(on web krait status)" \
  eval 'on web krait status | grep -q "^  db, next key (db) " && ! on web krait status | grep -q "not configured"'
check "web keeps the addresses at the present key" "" holds web "${public_key[db]}"
check "the announcement costs nothing" "" goes_on
check "krait key rotate" "$(on db krait key rotate)" test "$(on db wg show wg0 public-key)" = "$next"
check "the key file has the new key, no other is left" "$(on db ls /var/lib/krait)" \
  test "$(on db krait keygen --public /var/lib/krait/host.key) $(on db ls /var/lib/krait)" = "$next host.key"$'\n'latest_time
check "web follows" "" until_true 20 holds web "$next"
check "office follows" "" until_true 20 holds office "$next"
check "the transfer goes on" "" goes_on
check "the stream goes on" "" traffic db more stream 200 30
settle stream
lost=$(($(count web stream sent) - $(count db stream received)))
check "lost on the way: what was sent during one handshake" \
  "$lost of $(count web stream sent) datagrams at 200 a second; longest silence $(milliseconds 0 "$(count db stream largest_gap_ns)") ms" \
  test "$lost" -le 200
check "it is the same connection" "$(count db transfer received) records" \
  test "$(count db transfer connections misplaced)" = "1 0"

public_key[db]=$next
for name in web office; do put_file "$name" /etc/krait/krait.toml "$(mesh_config "$name" web db office)"; done
reload web office
check "with the new key in the files the old one is gone" "" test "$(on web wg show wg0 peers | wc -l)" = 2
check "and the transfer goes on" "" goes_on
kill_hard db "${agent_pid[db]}"
agent_start db
agent_ready db
check "the next agent uses the new key" "" test "$(on db wg show wg0 public-key)" = "$next"
check "and the transfer goes on" "" goes_on
check "office got nothing through" "$(count office refused received)" test "$(count office refused received)" = 0
finish key_rotation
