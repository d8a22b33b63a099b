#!/bin/bash
# The host fails, under traffic: no memory for the agent, a clock that jumps by a year both ways.
set -u
# shellcheck source=lab/faults.sh
. /lab/faults.sh

year_s=31536000

# large_policy: the rules in force, and so many more that compiling them takes far more than 4 MB.
large_policy() {
  policy "${allowed_rules[@]}"
  awk 'BEGIN {
    for (i = 0; i < 6000; i++)
      printf "[[rule]]\nname = \"r%d\"\naction = \"allow\"\nfrom = [\"db\"]\nto = [\"office\"]\nports = [\"tcp/%d\"]\n\n", i, 1 + i
  }'
}

# agent_start_with COMMAND: the shell runs it before it becomes db's agent.
agent_start_with() {
  kill_hard db "${agent_pid[db]}"
  agent_pid[db]=$(start db "$lab_dir/db-agent.log" bash -c "$1; exec krait-agent --config /etc/krait/krait.toml")
  agent_ready db
}

# --- a limit of the process: an allocation fails ---
no_address_space() {
  local revision max_kb
  fault_begin "no memory for a reload"
  max_kb=$(awk '$1 == "VmPeak:" { print $2 + 4096 }' "/proc/${agent_pid[db]}/status")
  check "an agent with 4 MB more of addresses than it takes starts" "$max_kb kB" agent_start_with "ulimit -v $max_kb"
  revision=$(metric db krait_policy_revision)
  large_policy >"$lab_dir/large"
  on db cp "$lab_dir/large" /etc/krait/policy.toml
  refuses "a reload that takes more says so" db 2 "out of memory" krait reload
  check "the agent is still there, and so is its policy" "revision $revision" test "$(metric db krait_policy_revision)" = "$revision"
  put_policy db "${allowed_rules[@]}"
  fault_end 0
}

# --- a limit of the control group: the kernel kills the agent ---
killed_by_the_kernel() {
  local group=$lab_dir/cgroup/agent
  mkdir "$lab_dir/cgroup" && mount -t cgroup2 cgroup2 "$lab_dir/cgroup"
  echo +memory >"$lab_dir/cgroup/cgroup.subtree_control"
  mkdir "$group"
  fault_begin "memory limit, killed by the kernel"
  check "another agent starts" "" agent_start_with true
  echo "${agent_pid[db]}" >"$group/cgroup.procs" # what the agent has by now is not counted there
  echo 4000000 >"$group/memory.max"
  on db cp "$lab_dir/large" /etc/krait/policy.toml
  on db krait reload >/dev/null 2>&1
  check "the kernel kills it in a reload" "$(grep oom_kill "$group/memory.events" | xargs)" grep -qE 'oom_kill [1-9]' "$group/memory.events"
  check "no agent answers" "" not on db krait status
  check "traffic goes on without an agent" "" more_of_both
  put_policy db "${allowed_rules[@]}"
  agent_start db
  check "another agent starts" "" agent_ready db
  umount "$lab_dir/cgroup"
  fault_end 0
}

# --- the clock is set ---
# jump SECONDS
jump() { date -s "@$(($(date +%s) + $1))" >/dev/null; }

# till_policy: one rule more, which ends in 30 days.
till_policy() {
  policy "${allowed_rules[@]}"
  printf '[[rule]]\nname = "till"\naction = "allow"\nfrom = ["web"]\nto = ["db"]\nports = ["udp/8000"]\nexpires = "%s"\n' "$1"
}

put_till() {
  local text
  text=$(till_policy "$1")
  put_file web /etc/krait/policy.toml "$text"
  put_file db /etc/krait/policy.toml "$text"
}

year_ahead() {
  local before
  fault_begin "clock a year ahead"
  before=$(drops web rule_expired egress)
  jump $year_s
  check "a year ahead: what ends in 30 days has ended" "" await_drops web rule_expired egress "$before" 5
  check "a year ahead: a reload works" "" reload web db
  check "a year ahead: so does a restart" "" agent_again db
  put_till "$until" # stamped by the clock that is wrong
  fault_end 0
}

year_back() {
  local before name
  fault_begin "clock a year back"
  before=$(drops web rule_expired egress)
  jump "-$year_s"
  check "a year back: what has ended stays ended" "$(on web krait status | grep ^fault)" \
    await_drops web rule_expired egress "$before" 5
  check "a year back: status says what to do where that is wrong" "" \
    eval 'on web krait status | grep -q "rm /var/lib/krait/latest_time && krait reload"'
  check "a year back: files of the future can be read" "" reload web db
  for name in web db; do
    on "$name" sh -c 'touch /etc/krait/policy.toml && rm /var/lib/krait/latest_time && krait reload' >/dev/null
  done
  check "a year back, done: what ends in 30 days goes on" "" traffic db more till 20 30
  jump "-$year_s"
  check "two years back: a reload works" "" reload web db
  check "two years back: so does a restart" "" agent_again db
  jump $year_s
  check "the clock is right again: traffic of the rule goes on" "" traffic db more till 20 30
  fault_end 0
}

faults_begin
no_address_space
killed_by_the_kernel
until=$(date -u -d "@$(($(date +%s) + 30 * 86400))" +%Y-%m-%dT%H:%M:%SZ)
put_till "$until"
check "a rule that ends in 30 days is in force" "" reload web db
serve db udp 10.90.0.2:8000 till "$rate"
send web udp 10.90.0.2:8000 till "$rate"
check "its traffic runs" "" traffic db more till 20 30
year_ahead
year_back
faults_finish faults_host
