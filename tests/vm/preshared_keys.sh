#!/bin/bash
# Three hosts of a network, with a transfer running: an administrator turns keys between pairs of hosts on and off again. Each
# pair computes its own, nobody else has it, and without it WireGuard's private key makes no session.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh
# shellcheck source=lab/fleet.sh
. /lab/fleet.sh

host_number[thief]=4
granted=("web db tcp/5432" "office web tcp/443")
policy_file=/etc/krait/policy.toml pair_key=/var/lib/krait/joined/pair.key

public_key_of() { on "$1" wg show wg0 public-key; }
# of_peer HOST WHAT PEER: a line of `wg show`, without the peer's key.
of_peer() { on "$1" wg show wg0 "$2" | awk -v key="$(public_key_of "$3")" '$1 == key { print $2 }'; }
key_of() { of_peer "$1" preshared-keys "$2"; }
# same_keys: both ends of both pairs have one, and the pairs not the same.
same_keys() {
  local web_db web_office
  web_db=$(key_of web db) web_office=$(key_of web office)
  [[ ${#web_db} == 44 && ${#web_office} == 44 && $web_db != "$web_office" && $(key_of db web) == "$web_db" && $(key_of office web) == "$web_office" ]]
}
no_keys() { [[ "$(for name in web db office; do on "$name" wg show wg0 preshared-keys | cut -f 2; done | sort -u)" == "(none)" ]]; }
goes_on() { traffic db more transfer 30 60; }
# shook_hands_since SECONDS DB'S-KEY: asked for two minutes, so one process each time.
shook_hands_since() { [[ $(on web wg show wg0 latest-handshakes) =~ "$2"$'\t'([0-9]+) ]] && ((BASH_REMATCH[1] > $1)); }
apply_text() { coordinator policy apply --wait --timeout 60s "$policy_file" >"$lab_dir/apply.log" 2>&1; }
# found_in HOST FOLDER KEY: the key's bytes, as they are, in base64 by themselves, or in base64 of something that holds them.
found_in() {
  local pad text
  on "$1" sh -c "cat $2/*" >"$lab_dir/searched"
  [[ $(od -An -v -tx1 <"$lab_dir/searched" | tr -d ' \n') != *"$(base64 -d <<<"$3" | od -An -v -tx1 | tr -d ' \n')"* ]] || return 0
  for pad in "" a aa; do
    text=$({ printf '%s' "$pad" && base64 -d <<<"$3"; } | base64 | tr -d '\n')
    ! tr -- '-_\000' '+/\n' <"$lab_dir/searched" | grep -aqF -- "${text:4:36}" || return 0
  done
  return 1
}

[[ -e /etc/passwd ]] || echo root:x:0:0::/root:/bin/sh >/etc/passwd # of a guest of the lab
hosts_begin
for name in web db office thief; do host_new "$name"; done
check "a network is made" "" network_new
check "the coordinator serves" "" coordinator_start
check "it has a policy" "" apply "${granted[@]}"
check "web joins" "" joins web web
check "db joins" "" joins db db
check "office joins" "" joins office office
check "all are online" "" until_true 30 online 3
serve db tcp "$(address_of db):5432" transfer 10
send web tcp "$(address_of db):5432" transfer 10
check "a transfer runs" "" traffic db wait transfer 30 60
check "nobody has a preshared key" "" no_keys
check "what they are computed by is the agent's alone" "$(on web stat -c %a "$pair_key")" test "$(on web stat -c %a "$pair_key")" = 600

kill_hard office "${link_pid[office]}"
check "office is away from the coordinator" "" until_true 30 online 2
on office sed -i '1i preshared_keys = true' "$policy_file"
coordinator policy apply --dry-run "$policy_file" >"$lab_dir/dry" 2>&1
check "a dry run says what it is" "$(cat "$lab_dir/dry")" grep -q 'preshared keys between pairs of hosts: on, before off' "$lab_dir/dry"
check "and who would not hear of it" "" grep -q 'offline: office' "$lab_dir/dry"
link_start office
check "office is back" "" until_true 60 online 3

before=$(of_peer web latest-handshakes db)
check "they are turned on" "$(apply_text; cat "$lab_dir/apply.log")" up_to_date 3
check "both ends of a pair have the same, each pair its own" "" same_keys
check "the hosts say so" "" test "$(on web krait status -o json | member preshared_keys)" = true
check "the transfer goes on" "" goes_on
check "a new session is made with it" "" until_true 150 shook_hands_since "$before" "$(public_key_of db)"
check "and the transfer goes on" "" goes_on
secret=$(key_of web db)
check "what the coordinator keeps holds what hosts are known by" "" found_in office "$KRAIT_COORDINATOR_STATE" "$(public_key_of web)"
check "and not what they share" "" not found_in office "$KRAIT_COORDINATOR_STATE" "$secret"
check "neither does what web was sent" "" not found_in web "$KRAIT_LINK_STATE" "$secret"
check "nor anything that its agent keeps" "" not found_in web /var/lib/krait/joined "$secret"

on web ip link del wg0
check "an interface that somebody deletes has them when it is made anew" "" until_true 30 same_keys
check "and the transfer goes on" "" goes_on
former_key=$(public_key_of web)
check "hosts go over to other WireGuard keys" "$(coordinator host rotate-keys --timeout 60s 2>&1)" test "$(public_key_of web)" != "$former_key"
check "pairs keep theirs" "" test "$(key_of web db) $(key_of db web)" = "$secret $secret"
check "and the transfer goes on" "" goes_on

kill_hard web "${agent_pid[web]}"
on web wg set wg0 peer "$(public_key_of db)" preshared-key /dev/null
on web cp "$pair_key" "$lab_dir/former"
on web rm "$pair_key"
on web krait keygen "$pair_key" >/dev/null
agent_start web
refuses="is not of the key that the network knows this host by"
check "with another host's key an agent does not start" "$(sleep 2 && agent_log web | tail -n 1)" until_true 20 grep -q "$refuses" "$lab_dir/web-agent.log"
on web rm "$pair_key"
agent_start web
check "nor without any, as where a host joined with an older krait" "$(sleep 2 && agent_log web | tail -n 1)" until_true 20 grep -q "there is no $pair_key" "$lab_dir/web-agent.log"
check "what root does at the service's start makes it" "$(on web krait-agent --prepare root 2>&1)" on web cmp "$pair_key" "$lab_dir/former"
agent_start web
check "then it starts" "" agent_ready web
check "and puts back what somebody took away" "" until_true 20 same_keys
check "the transfer goes on" "" goes_on

check "they are turned off" "" apply "${granted[@]}"
check "nobody has one any more" "" no_keys
check "the transfer goes on" "" goes_on
former_key=$(public_key_of web)
check "over a new session too" "$(coordinator host rotate-keys --timeout 60s 2>&1)" test "$(public_key_of web)" != "$former_key"
check "and the transfer goes on" "" goes_on
check "it is the same connection" "$(count db transfer received) records" test "$(count db transfer connections misplaced)" = "1 0"

# Whoever has stolen web's WireGuard key, and knows where db is. Without traffic: db answers to where it heard web last.
traffic web stop transfer
on office sed -i '1i preshared_keys = true' "$policy_file"
check "turned on once more" "$(apply_text; cat "$lab_dir/apply.log")" same_keys
on web cat /var/lib/krait/host.key >"$lab_dir/stolen" && chmod 600 "$lab_dir/stolen"
(umask 077 && wg genpsk >"$lab_dir/guessed")
on web wg show wg0 preshared-keys | awk -v key="$(public_key_of db)" '$1 == key { print $2 }' >"$lab_dir/shared"
# thief_has KEY-FILE: an interface as web's, with that preshared key.
thief_has() {
  on thief ip link del wg0 2>/dev/null
  on thief ip link add wg0 type wireguard
  on thief wg set wg0 private-key "$lab_dir/stolen" peer "$(public_key_of db)" preshared-key "$1" \
    endpoint "192.0.2.${host_number[db]}:51820" allowed-ips 10.90.0.0/24 persistent-keepalive 1
  on thief ip link set wg0 up
}
thief_shook_hands() { [[ $(on thief wg show wg0 latest-handshakes | cut -f 2) != 0 ]]; }
thief_has /dev/null
check "who has web's WireGuard key alone makes no session as web" "" not until_true 12 thief_shook_hands
thief_has "$lab_dir/guessed"
check "nor with another key of a pair" "" not until_true 12 thief_shook_hands
thief_has "$lab_dir/shared"
check "with web's it would" "" until_true 20 thief_shook_hands

if ((steps_failed)); then # for whoever reads why
  for name in web db office; do for part in agent link; do on "$name" tail -n 12 "$lab_dir/$name-$part.log" | sed "s/^/$name $part: /"; done; done
  tail -n 12 "$lab_dir/coordinator.log" | sed 's/^/coordinator: /'
fi
finish preshared_keys
