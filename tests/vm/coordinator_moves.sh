#!/bin/bash
# A coordinator and two hosts on real WireGuard, with a transfer running: all go over to other keys, a lease that is confirmed
# and one that is not, and a host that moves.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh
# shellcheck source=lab/fleet.sh
. /lab/fleet.sh

granted=("web db tcp/5432 udp/9000 icmp/echo-request")

hosts_begin
for name in web db office; do host_new "$name"; done
check "a network is made" "" network_new
check "the coordinator serves" "" coordinator_start
check "it has a policy" "" apply "${granted[@]}"
check "web joins" "$(on web test -e /etc/krait/krait.toml && echo with a file || echo without a file)" joins web web
check "db joins" "" joins db db
check "both are online" "" until_true 30 online 2
serve db tcp 10.90.0.2:5432 transfer 50
send web tcp 10.90.0.2:5432 transfer 50
check "a transfer runs" "" traffic web wait transfer 100 60

former_key=$(on web wg show wg0 public-key)
check "all hosts go over to other keys by one command" "$(coordinator host rotate-keys --timeout 60s 2>&1)" test "$(on web wg show wg0 public-key)" != "$former_key"
check "the same connection goes on" "" traffic db more transfer 50 60
# shellcheck disable=SC2016 # expanded when it runs
check "db knows web by its new key alone" "" until_true 30 eval '[[ $(on db wg show wg0 peers) == "$(on web wg show wg0 public-key)" ]]'

# With a lease: web and db stay connected and idle for longer than it; then web's link is gone. Web's TCP may give its connection
# up meanwhile, whose packets are refused on web itself: another one shows when it may talk again.
put_policy office "${granted[@]}"
on office sed -i '1i lease = "16s"' /etc/krait/policy.toml
check "a lease is applied" "" coordinator policy apply --wait --timeout 60s /etc/krait/policy.toml
sleep 40
check "idle hosts that are connected keep what they may" "$(on web krait status -o json | member lease_s) s" traffic db more transfer 50 60
kill_hard web "${link_pid[web]}"
kill_hard web "${agent_pid[web]}"
sleep 20
check "one that is cut off loses it in the kernel, with no agent alive" "" not traffic db more transfer 1 3
agent_start web && agent_ready web
check "the next agent does not bring it back" "" not opens web 10.90.0.2:5432 again
link_start web
check "the coordinator's word does" "" until_true 20 opens web 10.90.0.2:5432 again
traffic web stop transfer
send web tcp 10.90.0.2:5432 transfer 50
check "and a transfer runs again" "" traffic web wait transfer 50 60
check "without a lease again" "" apply "${granted[@]}"

on web ip addr del 192.0.2.1/24 dev eth0
on web ip addr add 192.0.2.11/24 dev eth0
check "a host that moves calls again at once" "" until_true 20 grep -q 'this host is at 192.0.2.11 now' "$lab_dir/web-link.log"
# shellcheck disable=SC2016
check "and its peers are told where it is" "" until_true 30 eval '[[ $(on db wg show wg0 endpoints) == *192.0.2.11:* ]]'
check "the same connection goes on" "" traffic db more transfer 50 60

if ((steps_failed)); then # for whoever reads why
  for name in web db; do for part in agent link; do on "$name" tail -n 12 "$lab_dir/$name-$part.log" | sed "s/^/$name $part: /"; done; done
  tail -n 12 "$lab_dir/coordinator.log" | sed 's/^/coordinator: /'
fi
finish coordinator_moves
