#!/bin/bash
# The agent at rest: it does not wake up, neither idle nor while a transfer runs at full rate, and is small.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

idle_s=35
# MB of the issue are 10^6 bytes, kB of /proc 1024.
max_kb_100=$((10 * 1000 * 1000 / 1024))
max_kb_10000=$((40 * 1000 * 1000 / 1024))
# The agent's one timer may go off once within each measurement, and two switches belong to a wake-up.
max_switches=2
max_ticks=1

# peers NUMBER: so many more [[peer]] tables, with keys that nobody has.
peers() {
  awk -v peers="$1" 'BEGIN {
    for (i = 0; i < peers; i++) {
      printf "\n[[peer]]\nname = \"peer%d\"\nidentity = \"office\"\n", i
      printf "public_key = \"%042dA=\"\n", i + 1
      printf "endpoint = \"198.51.%d.%d:51820\"\n", i / 250, 1 + i % 250
      printf "addresses = [\"10.91.%d.%d\", \"fd91::%x\"]\n", i / 250, i % 250, i + 1
    }
  }'
}

# with_peers NUMBER: db has so many, web one of them.
with_peers() {
  { mesh_config db web db && peers $(($1 - 1)); } >"$lab_dir/db.toml"
  on db cp "$lab_dir/db.toml" /etc/krait/krait.toml
  reload db
}

status_of() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/${agent_pid[db]}/status"; }
memory() { echo "VmRSS $(status_of VmRSS) kB: RssAnon $(status_of RssAnon), RssFile $(status_of RssFile), RssShmem $(status_of RssShmem)"; }
switches() { awk '/ctxt_switches/ { sum += $2 } END { print sum }' "/proc/${agent_pid[db]}/status"; }
ticks() { awk '{ print $14 + $15 }' "/proc/${agent_pid[db]}/stat"; }

# The look of each minute is over: it alone sees that a peer was taken off by hand, and puts it back. With 10,000 peers it takes a
# part of a second, and must not fall into a measurement.
looked() { agent_log db | grep -qF "1 peers put back" && [[ $(status_of State) == S ]]; }

# sleeps WHAT SECONDS: what is measured is a time.
sleeps() {
  local switches_before ticks_before
  switches_before=$(switches) ticks_before=$(ticks)
  sleep "$2"
  check "$1: it does not wake up" "$(($(switches) - switches_before)) context switches in $2 s, at most $max_switches" \
    test $(($(switches) - switches_before)) -le $max_switches
  check "$1: it takes no CPU" "$(($(ticks) - ticks_before)) ticks of 10 ms" test $(($(ticks) - ticks_before)) -le $max_ticks
}

hosts_begin
identities=(web db office)
for name in web db; do host_new "$name"; done
put_policy "web db" "web db tcp/5432"
check "the mesh is up" "" mesh_up web db
check "db takes 100 peers" "" with_peers 100
check "db has them" "" test "$(on db krait status -o json | jq '.peers | length')" = 100
check "100 peers: at most $max_kb_100 kB" "$(memory)" test "$(status_of VmRSS)" -le $max_kb_100
sleeps "100 peers, idle" $idle_s
serve db tcp 10.90.0.2:5432 transfer
send web tcp 10.90.0.2:5432 transfer 100000000
check "a transfer at full rate runs" "" traffic db wait transfer 1000 30
sleeps "100 peers, transfer" 10
check "meanwhile it ran" "$(count db transfer received) records of 1000 bytes" traffic db more transfer 1000 30
traffic web stop transfer
for ((n = 0; n < 3; n++)); do reload db; done
check "after more reloads no more" "$(memory)" test "$(status_of VmRSS)" -le $max_kb_100
check "db takes 10,000 peers" "" with_peers 10000
check "db has them" "" test "$(on db krait status -o json | jq '.peers | length')" = 10000
check "10,000 peers: at most $max_kb_10000 kB" "$(memory)" test "$(status_of VmRSS)" -le $max_kb_10000
for ((n = 0; n < 3; n++)); do reload db; done
check "after more reloads no more" "$(memory)" test "$(status_of VmRSS)" -le $max_kb_10000
on db wg set wg0 peer "$(printf '%042dA=' 1)" remove
check "10,000 peers: it looks once a minute" "" until_true 75 looked
sleeps "10,000 peers, idle" 10
finish lean
