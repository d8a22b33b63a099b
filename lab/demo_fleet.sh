# shellcheck shell=bash disable=SC2154,SC2034
# The demo's second part: the same three hosts, of which nobody writes a file. A fourth, hub, has the coordinator.

# shown ARGUMENT...: of krait-coordinator, which is shown with what it prints.
shown() {
  printf '    hub$ krait-coordinator %s\n' "$*"
  coordinator "$@" 2>&1 | sed 's/^/    /'
}

hosts_join() {
  local name
  title "A coordinator: hosts join with one token each"
  for name in web db office hub; do host_new "$name"; done
  check "krait-coordinator init makes the network" "" network_new
  check "it serves" "" coordinator_start
  check "one policy for all" "" apply "${granted[@]}"
  for name in web db office; do
    check "$name: krait join TOKEN" "" joins "$name" "$name"
  done
  check "all are there" "" until_true 60 online 3
  shown host list
  check "web reaches db through the tunnel" "$(address_of web) to $(address_of db)" \
    until_true 60 on web ping -c 1 -W 2 "$(address_of db)"
}

one_command_cuts() {
  local db_address last_db last_web
  db_address=$(address_of db)
  title "One command, and the whole fleet enforces it"
  serve db tcp "$db_address:5432" joined
  send web tcp "$db_address:5432" joined 500
  traffic db wait joined 1000 30
  check "web transfers to db on tcp/5432" "$(count db joined received) records of 1000 bytes" \
    test "$(count db joined received)" -ge 1000
  apply "${revoked[@]}"
  printf '    hub$ krait-coordinator policy apply --wait policy.toml\n'
  sed 's/^/    /' "$lab_dir/apply.log"
  last_db=$(count db joined last_ns)
  last_web=$(count web joined last_ns)
  check "web to db: no packet after it returned" \
    "the last $(milliseconds "$called_ns" "$last_db") ms after the call, which took $(milliseconds "$called_ns" "$returned_ns") ms" \
    test "$last_db" -le "$returned_ns"
  check "db to web: nor any" "the last $(milliseconds "$called_ns" "$last_web") ms after the call" test "$last_web" -le "$returned_ns"
  check "granted again" "" apply "${granted[@]}"
  check "the same connection goes on" "" traffic db more joined 500 60
}

coordinator_dies() {
  local before
  title "The coordinator is killed"
  kill_hard hub "$coordinator_pid"
  before=$(count db joined received)
  check "the transfer goes on" "" traffic db more joined 200 30
  kill_hard web "${link_pid[web]}"
  kill_hard web "${agent_pid[web]}"
  agent_start web
  check "an agent starts without it" "" agent_ready web
  check "and the transfer goes on" "$before -> $(count db joined received) records, $(count db joined misplaced) out of place" \
    traffic db more joined 200 30
  link_start web
  check "it comes back, and all hosts to it" "" coordinator_is_back
  check "its audit holds" "$(coordinator audit verify)" coordinator audit verify
}
coordinator_is_back() { coordinator_start && until_true 60 online 3; }

demo_fleet() {
  host_number[hub]=4
  coordinator_host=hub
  hosts_begin
  hosts_join
  one_command_cuts
  coordinator_dies
}
