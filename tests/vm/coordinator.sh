#!/bin/bash
# Hosts join a coordinator with tokens and talk over WireGuard; one `policy apply` ends a running transfer, another grants it
# again; the coordinator is killed with traffic going on, hosts start anew without it, and it comes back.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh
# shellcheck source=lab/fleet.sh
. /lab/fleet.sh

granted=("web db tcp/5432 udp/9000 icmp/echo-request")
revoked=("office web tcp/443")

hosts_begin
for name in web db office; do host_new "$name"; done
check "a network is made" "" network_new
check "the coordinator serves" "" coordinator_start
check "it has a policy" "" apply "${granted[@]}"
check "web joins" "$(on web test -e /etc/krait/krait.toml && echo with a file || echo without a file)" joins web web
check "db joins" "" joins db db
check "both are online" "" until_true 30 online 2
check "they talk" "" until_true 60 on web ping -c 1 -W 2 10.90.0.2
check "over IPv6 what is not allowed does not pass" "" not on db ping -c 1 -W 1 fd90::1

serve db tcp 10.90.0.2:5432 transfer 200
send web tcp 10.90.0.2:5432 transfer 200
check "a transfer runs" "" traffic web wait transfer 100 60
check "one policy apply" "" apply "${revoked[@]}"
last=$(count db transfer last_ns)
check "ends it on both hosts" "the last packet $(milliseconds "$called_ns" "$last") ms after the command began, which took $(milliseconds "$called_ns" "$returned_ns") ms: $(grep 'last one' "$lab_dir/apply.log")" \
  test "$last" -le "$returned_ns"
check "they are no peers any more" "" test "$(on web krait status -o json | krait-lab-json peers | tr -d ' \n')" = "[]"
check "another grants it again" "" apply "${granted[@]}"
check "the same connection goes on" "" traffic db more transfer 50 60

kill_hard office "$coordinator_pid"
check "it goes on without the coordinator" "" traffic db more transfer 100 60
kill_hard web "${link_pid[web]}"
kill_hard web "${agent_pid[web]}"
agent_start web
check "an agent starts without coordinator and link" "" agent_ready web
check "and the transfer goes on" "" traffic db more transfer 100 60
link_start web
check "the coordinator comes back" "" coordinator_start
check "and both hosts to it" "" until_true 60 online 2
check "db is removed" "" coordinator host remove db --wait
check "nothing passes any more" "" not traffic db more transfer 5 5
check "its link is refused" "" until_true 30 grep -q 'was removed' "$lab_dir/db-link.log"
kill_hard web "${agent_pid[web]}"
check "without an agent krait down knows a joined host's interface" "$(on web krait down 2>&1)" not on web ip link show wg0
check "the audit holds" "$(coordinator audit verify)" coordinator audit verify
finish coordinator
