#!/bin/bash
# Hosts join a coordinator with tokens and talk over WireGuard; one `policy apply` ends a running transfer, another grants it
# again; the coordinator is killed with traffic going on, hosts start anew without it, and it comes back.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

export KRAIT_ADMIN_KEY=/var/lib/krait/admin.key KRAIT_COORDINATOR_STATE=/var/lib/krait/coordinator KRAIT_LINK_STATE=/var/lib/krait/link
declare -A link_pid=()
coordinator_pid=

coordinator() { on office krait-coordinator "$@"; }
serve_coordinator() {
  coordinator_pid=$(start office "$lab_dir/coordinator.log" krait-coordinator serve --listen 192.0.2.3:7170 --metrics "")
  until_true 20 coordinator status
}
link_start() { link_pid[$1]=$(start "$1" "$lab_dir/$1-link.log" krait-link); }

# joins HOST IDENTITY: with a new token; then agent and link.
joins() {
  local token
  token=$(coordinator token create --identity "$2") || return 1
  if ! on "$1" krait join "$token" --name "$1" --no-start >"$lab_dir/$1-join.log" 2>&1; then
    cat "$lab_dir/$1-join.log"
    return 1
  fi
  agent_start "$1"
  agent_ready "$1" || { agent_log "$1" && return 1; }
  link_start "$1"
}
online() { [[ $(coordinator status -o json | member online) == "$1" ]]; }

# apply RULE...: sets called_ns and returned_ns around `policy apply --wait`.
apply() {
  put_policy office "$@"
  called_ns=${EPOCHREALTIME/[.,]/}000
  coordinator policy apply --wait --timeout 60s /etc/krait/policy.toml >"$lab_dir/apply.log" 2>&1
  local status=$?
  returned_ns=${EPOCHREALTIME/[.,]/}000
  ((status == 0)) || cat "$lab_dir/apply.log"
  return "$status"
}

granted=("web db tcp/5432 udp/9000 icmp/echo-request")
revoked=("office web tcp/443")

hosts_begin
for name in web db office; do host_new "$name"; done
check "a network is made" "" coordinator init --name lab --prefix 10.90.0.0/24 --prefix fd90::/64 --address 192.0.2.3:7170
check "the coordinator serves" "" serve_coordinator
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
check "the coordinator comes back" "" serve_coordinator
check "and both hosts to it" "" until_true 60 online 2
check "db is removed" "" coordinator host remove db --wait
check "nothing passes any more" "" not traffic db more transfer 5 5
check "its link is refused" "" until_true 30 grep -q 'was removed' "$lab_dir/db-link.log"
check "the audit holds" "$(coordinator audit verify)" coordinator audit verify
finish coordinator
