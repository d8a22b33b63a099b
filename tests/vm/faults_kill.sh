#!/bin/bash
# kill -9 in a loop, at random moments: while the agent starts, when it is ready, while it reloads. Not a datagram of what is
# allowed is lost, and nothing else passes.
set -u
# shellcheck source=lab/faults.sh
. /lab/faults.sh

kills=200

# kill_loop: in db. Prints how often it hit which moment.
kill_loop() {
  on db bash -s -- "$kills" "$lab_dir/db-loop" <<'END'
kills=$1 dir=$2
mkdir "$dir" && mkfifo "$dir/never" && exec {never}<>"$dir/never"
microseconds() { echo "${EPOCHREALTIME/[.,]/}"; }
# start: its log is the descriptor $log, which ends with it.
start() {
  exec {log}< <(exec krait-agent --config /etc/krait/krait.toml 2>&1)
  agent=$!
}
await() { while read -r -t 20 -u "$log" line; do [[ $line != *" revision "* ]] || return 0; done; return 1; }
end() { kill -KILL "$agent" && cat <&"$log" >>"$dir/log"; exec {log}<&-; }
# pause MOST: for 0 to MOST microseconds.
pause() {
  local us=$((SRANDOM % ($1 + 1))) text
  printf -v text '%d.%06d' $((us / 1000000)) $((us % 1000000))
  read -r -t "$text" -u "$never"
}
# policies that differ, so that a reload has something to do
cp /etc/krait/policy.toml "$dir/0"
{ cat "$dir/0"; printf '[[rule]]\nname = "more"\naction = "allow"\nfrom = ["db"]\nto = ["office"]\nports = ["tcp/1"]\n'; } >"$dir/1"
cp "$dir/1" /etc/krait/policy.toml
began=$(microseconds) && start && await && start_us=$(($(microseconds) - began))
began=$(microseconds) && kill -HUP "$agent" && await && reload_us=$(($(microseconds) - began))
end
starting=0 ready=0 reloading=0 failed=0
for ((i = 1; i < kills; i++)); do
  start
  case $((i % 4)) in
    0 | 1) pause "$start_us"; starting=$((starting + 1)) ;;
    2) await && ready=$((ready + 1)) || failed=$((failed + 1)) ;;
    3)
      cp "$dir/$((i / 4 % 2))" /etc/krait/policy.new && mv /etc/krait/policy.new /etc/krait/policy.toml
      await && reloading=$((reloading + 1)) || failed=$((failed + 1))
      kill -HUP "$agent" && pause "$reload_us"
      ;;
  esac
  end
done
cp "$dir/0" /etc/krait/policy.toml
echo "$failed failed, $((starting + ready + reloading + failed + 1)) kills: $starting starting, $ready ready, $reloading reloading;" \
  "a start takes $((start_us / 1000)) ms, a reload $((reload_us / 1000)) ms"
END
}

faults_begin
kill_hard db "${agent_pid[db]}"
agent_start db
agent_ready db
fault_begin "kill -9, $kills times"
kill_hard db "${agent_pid[db]}"
result=$(kill_loop)
check "every agent that had the time was ready" "$result" test "${result%% *}" = 0
agent_start db
check "an agent comes up after them" "attached by $(agent_ready db && attachment db)" agent_ready db
fault_end 0
faults_finish faults_kill
