#!/bin/bash
# 10,000 peers: loaded, found unchanged by a reload, one of them changed. Prints how long each took.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

peers=10000

# timed TEXT COMMAND...: sets took_ms.
timed() {
  local text=$1 begin=${EPOCHREALTIME/[.,]/} status=0
  shift
  "$@" || status=$?
  took_ms=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
  echo "$text: $took_ms ms"
  return "$status"
}

peers_in_kernel() { on web wg show wg0 peers | wc -l; }
changes() { [[ $(<"$lab_dir/web-reload.log") =~ \"changes\":\ ?(\{[^}]*\}) ]] && printf '%s\n' "${BASH_REMATCH[1]}"; }
reload_json() { on web krait reload -o json >"$lab_dir/web-reload.log" 2>&1; }
# changed NAME=VALUE...: VALUE is a pattern of one number or word.
changed() {
  local text pair
  text=$(changes) || return 1
  for pair in "$@"; do [[ $text =~ \"${pair%=*}\":\ ?(${pair#*=})[,}] ]] || return 1; done
}
agent_is_up() { until_true 120 on web krait status -o json; }

web_with_peers $peers
agent_start web
timed "loaded" agent_is_up
check "10,000 peers are loaded" "$(peers_in_kernel) peers" test "$(peers_in_kernel)" = $peers
check "with their routes" "" test "$(on web ip route show dev wg0 | wc -l)" = $peers
echo "the agent used $(agent_cpu_ms web) ms of CPU, kernel included, and has $(awk '/VmRSS/ { print $2 }' "/proc/${agent_pid[web]}/status") KiB"
revision=$(metric web krait_policy_revision)
before=$(agent_cpu_ms web)
for _ in 1 2 3 4 5; do
  timed "reloaded without a change" reload_json
done
echo "five reloads used $(($(agent_cpu_ms web) - before)) ms of the agent's CPU"
check "nothing was touched" "$(changes)" changed {peers_{added,changed,removed},addresses,routes}=0 device=false
check "not even the revision" "$(metric web krait_policy_revision)" test "$(metric web krait_policy_revision)" = "$revision"
on web sed -i 's/"10\.91\.3\.7"/"10.99.3.7"/' /etc/krait/krait.toml
timed "reloaded with one changed peer" reload_json
check "that peer is changed, and no other" "$(changes)" changed peers_added=0 peers_removed=0 peers_changed=2 routes=2
check "a peer removed by hand" "" on web wg set wg0 peer aaaaaaAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= remove
timed "reloaded with a peer missing" reload_json
# The look of each minute may have come before the reload.
put_back() {
  [[ $(peers_in_kernel) == "$peers" ]] && changed 'peers_added=0|1' peers_removed=0 peers_changed=0 &&
    { changed peers_added=1 || grep -qF "1 peers put back" "$lab_dir/web-agent.log"; }
}
check "comes back, alone" "$(changes)" put_back
kill_hard web "${agent_pid[web]}"
agent_start web
timed "adopted by a new agent" agent_is_up
check "10,000 peers are there" "" test "$(peers_in_kernel)" = $peers
finish many_peers
