#!/bin/bash
# Hosts that go by what an administrator signed: a link that nobody trusts hands it over, and can neither widen access,
# nor add a host, nor bring an older state back. The agent goes on from what it keeps, without anybody.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

joined=/var/lib/krait/joined link_user=990
network() { krait-lab-network "$@" 2>&1; }
# endpoints HOST: of all others.
endpoints() {
  local peer
  for peer in web db office; do [[ $peer == "$1" ]] || echo "$peer=192.0.2.${host_number[$peer]}:51820"; done
}
# give HOST: the link lays what is signed for it ready; the rest of the words changes what is laid there.
give() { mapfile -t at < <(endpoints "$1") && network state "$lab_dir/net" "$1" "$lab_dir/$1-state" "${at[@]}" && lay "$1" "$lab_dir/$1-state"; }
# shellcheck disable=SC2016
lay() { on "$1" sh -c 'cp "$2" /run/link/state && chmod 0644 /run/link/state && chown "$1" /run/link/state' lay "$link_user" "$2"; }
ask() { on "$1" krait-lab-network ask /run/krait/krait.sock "$2" "$link_user" >"$lab_dir/$1-answer" 2>&1; }
answer() { cat "$lab_dir/$1-answer"; }
take() { give "$1" && ask "$1" take_state; }
refuses() { ! ask "$1" take_state && grep -q "$2" "$lab_dir/$1-answer"; }
revision() { on "$1" krait status -o json | member revision; }
goes_on() { traffic db more transfer 200 60; }
sign_policy() {
  { echo "${lease:+lease = \"$lease\"}" && policy "$@"; } >"$lab_dir/policy.toml" && network policy "$lab_dir/net" "$lab_dir/policy.toml"
}
join() {
  local name=$1
  # shellcheck disable=SC2016
  on "$name" sh -c 'mkdir -p "$1" /run/link && cat /etc/passwd >/run/passwd && echo "krait-link:x:$2:$2::/:/bin/false" >>/run/passwd &&
    mount --bind /run/passwd /etc/passwd && chown "$2" /run/link' join "$joined" "$link_user"
  put_file "$name" "$joined/host.json" "{\"version\":1,\"name\":\"$name\",\"interface\":\"wg0\",\"listen_port\":51820,\"private_key_file\":\"/var/lib/krait/host.key\",\"offered_file\":\"/run/link/state\"}"
}

[[ -e /etc/passwd ]] || echo root:x:0:0::/root:/bin/sh >/etc/passwd # of a guest of the lab
hosts_begin
network init "$lab_dir/net"
for name in web db office; do
  host_new "$name"
  join "$name"
  n=${host_number[$name]}
  public_key[$name]=$(on "$name" krait keygen /var/lib/krait/host.key)
  network bind "$lab_dir/net" "$name" "$name" "${public_key[$name]}" "10.90.0.$n" "fd90::$n"
done
sign_policy "web db tcp/5432" "office web tcp/443"
for name in web db office; do
  mapfile -t at < <(endpoints "$name")
  on "$name" krait-lab-network kept "$lab_dir/net" "$name" "$joined/host.json" "${at[@]}"
  agent_start "$name"
done
for name in web db office; do agent_ready "$name" || agent_log "$name"; done
check "three hosts run by what was signed" "$(on web krait status -o json | member id)" test -n "$(on web krait status -o json | member id)"
serve db tcp 10.90.0.2:5432 transfer
send web tcp 10.90.0.2:5432 transfer
check "what the policy allows passes" "" traffic db wait transfer 200 60
send office tcp 10.90.0.2:5432 refused
check "the others' identity is not known to db: office gets nothing through" "$(on db wg show wg0 peers | wc -l) peer" \
  test "$(on db wg show wg0 peers | wc -l)" = 1

give db && cp "$lab_dir/db-state" "$lab_dir/db-old"
# shellcheck disable=SC2016 # expanded when it runs
check "the same state once more changes nothing" "revision $(revision db)" eval 'r=$(revision db) && ask db take_state && [[ $(revision db) == "$r" ]]'
check "another user may not offer one" "" not on db krait-lab-network ask /run/krait/krait.sock take_state 1234
check "and the link may do nothing else" "" not on db krait-lab-network ask /run/krait/krait.sock reload "$link_user"

sign_policy "web db tcp/5432" "office web tcp/443" "office db tcp/5432"
check "a new policy is taken" "$(take db; answer db)" test "$(on db krait status -o json | member policy_revision)" = 7
take office && take web
send office tcp 10.90.0.2:5432 admitted # the former one has ended: without a peer the kernel refuses at once
check "and lets office in" "" traffic office wait admitted 1 60
check "without cutting the transfer" "" goes_on

lay db "$lab_dir/db-old"
check "an older one is refused" "$(ask db take_state; answer db)" refuses db "this host has seen 7"
check "status tells" "$(on db krait status -o json | member refused)" grep -q 'has seen 7' <(on db krait status -o json)
cp "$lab_dir/office-state" "$lab_dir/other" && lay db "$lab_dir/other"
check "another host's is refused" "$(ask db take_state; answer db)" not ask db take_state
give db && head -c 900 "$lab_dir/db-state" >"$lab_dir/cut" && lay db "$lab_dir/cut"
check "half a state is refused" "$(ask db take_state; answer db)" refuses db "the state"
network init "$lab_dir/foreign" && network bind "$lab_dir/foreign" db db "${public_key[db]}" 10.90.0.2
network bind "$lab_dir/foreign" office db "${public_key[office]}" 10.90.0.3
cp "$lab_dir/policy.toml" "$lab_dir/wide.toml" && network policy "$lab_dir/foreign" "$lab_dir/wide.toml"
network state "$lab_dir/foreign" db "$lab_dir/forged" && lay db "$lab_dir/forged"
check "what another administrator signed is refused" "$(ask db take_state; answer db)" refuses db "another network"
check "all the while the transfer goes on" "" goes_on

sign_policy "office web tcp/443"
check "a revocation reaches db" "$(take db; answer db | cut -c1-80)" test "$(on db wg show wg0 peers | wc -l)" = 0
check "and ends the transfer" "" not traffic db more transfer 1 3
sign_policy "web db tcp/5432"
take db && take web
# TCP may have given the former connection up, whose packets db itself refused.
check "what is allowed again passes by itself" "" until_true 60 opens web 10.90.0.2:5432 again
traffic web stop transfer
send web tcp 10.90.0.2:5432 transfer
check "and a transfer runs again" "" traffic web wait transfer 100 60

kill_hard db "${agent_pid[db]}"
agent_start db
check "the next agent takes up what is kept, with nobody's help" "" agent_ready db
check "and the transfer goes on" "" goes_on
lay db "$lab_dir/db-old"
check "what it has seen outlives it" "$(ask db take_state; answer db)" refuses db "this host has seen"
on db krait-lab-network ask /run/krait/krait.sock allow_older >/dev/null
check "until somebody on the host says otherwise" "$(ask db take_state; answer db | cut -c1-80)" ask db take_state
take db

network remove "$lab_dir/net" web && take db
check "a host that was removed is gone from its peers" "" test "$(on db wg show wg0 peers | wc -l)" = 0
lease=20s sign_policy "office db tcp/5433" && take db && take office
serve db tcp 10.90.0.2:5433 leased
send office tcp 10.90.0.2:5433 leased
check "with a lease what is allowed passes" "$(on db krait status -o json | member lease_s) s" traffic db wait leased 20 60
for _ in 1 2 3 4 5; do sleep 5 && ask db confirm_state && ask office confirm_state; done
check "and goes on while it is confirmed" "" traffic db more leased 20 10
kill_hard db "${agent_pid[db]}"
sleep 25
check "when nobody confirms it, access ends in the kernel, without an agent" "" not traffic db more leased 1 3
agent_start db && agent_ready db
check "and stays ended for the next agent" "" not opens office 10.90.0.2:5433 again
ask db confirm_state && ask office confirm_state
check "until it is confirmed again" "" until_true 60 opens office 10.90.0.2:5433 again
finish signed_state
