#!/bin/bash
# Two hosts that go by their files, with a transfer between them, join a coordinator's network: names, keys, ports and addresses stay what
# they are, and the same connection goes on.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh
# shellcheck source=lab/fleet.sh
. /lab/fleet.sh

# takes_over HOST: joins as krait join without options does, and starts the agent anew as systemd would.
takes_over() {
  local token
  token=$(coordinator token create --identity "$1") || return 1
  on "$1" krait join "$token" --no-start >"$lab_dir/$1-join.log" 2>&1 || return 1
  on "$1" kill "${agent_pid[$1]}"
  until_true 10 not on "$1" kill -0 "${agent_pid[$1]}"
  agent_start "$1"
  agent_ready "$1" && link_start "$1"
}
# identifies HOST: what its peers and its users know it by.
identifies() { on "$1" sh -c 'wg show wg0 public-key; wg show wg0 listen-port; ip -brief addr show wg0'; }

hosts_begin
for name in web db office; do host_new "$name"; done
put_policy "web db" "web db tcp/5432"
check "two hosts go by their files" "" mesh_up web db
serve db tcp 10.90.0.2:5432 transfer 200
send web tcp 10.90.0.2:5432 transfer 200
check "a transfer runs" "" traffic db wait transfer 100 60
for name in web db; do identifies "$name" >"$lab_dir/$name-before"; done

check "a network is made" "" network_new
check "the coordinator serves" "" coordinator_start
check "it has the same policy" "" apply "web db tcp/5432"
check "db joins it" "$(takes_over db; cat "$lab_dir/db-join.log")" on db test -e /var/lib/krait/joined/host.json
check "and web" "$(takes_over web; cat "$lab_dir/web-join.log")" on web test -e /var/lib/krait/joined/host.json
check "both are online" "" until_true 30 up_to_date 2
for name in web db; do
  check "$name is who it was" "$(identifies "$name" | diff "$lab_dir/$name-before" -)" diff "$lab_dir/$name-before" <(identifies "$name")
done
check "the transfer goes on" "" traffic db more transfer 100 60
check "it is the same connection" "$(count db transfer received) records" test "$(count db transfer connections misplaced)" = "1 0"
check "a policy of the network's ends it" "" apply "office web tcp/443"
check "nothing passes any more" "" not traffic db more transfer 5 5
finish takeover
