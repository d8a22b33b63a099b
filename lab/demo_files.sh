# shellcheck shell=bash disable=SC2154
# The demo's first part: three hosts that files describe, one policy that changes while traffic runs.
#
#     web 10.90.0.1 ----------- db 10.90.0.2          web may open tcp/5432 and ping to db,
#           \                      /                  office may open tcp/443 to web,
#            office 10.90.0.3 ----+                   nothing else passes

everybody=(web db office)
granted=("web db tcp/5432 icmp/echo-request" "office web tcp/443")
revoked=("office web tcp/443")

show_addresses() {
  sed -n 's/^#     /    /p' "$here/demo_files.sh" | head -n 3
}

mesh_forms() {
  local name
  title "Three hosts form a mesh on Linux $(uname -r)"
  show_addresses
  for name in "${everybody[@]}"; do host_new "$name"; done
  put_policy "${everybody[*]}" "${granted[@]}"
  if ! mesh_up "${everybody[@]}"; then
    check "the agents start" "" false
    finish demo
    exit 1
  fi
  check "web reaches db through the tunnel" "$(on web ping -c 3 -i 0.3 -W 5 10.90.0.2 | sed -n 's/, time.*//; /received/p')" \
    on web ping -c 1 -W 5 10.90.0.2
  check "web and db have shaken hands" "$(on db wg show wg0 latest-handshakes | grep -cv '	0$') session on db" \
    shook_hands db web
  check "every packet of wg0 meets krait's program" "attached by $(attachment db)" test "$(attachment db)" != none
}

policy_decides() {
  local before
  title "The policy decides"
  serve db tcp 10.90.0.2:5432 transfer
  send web tcp 10.90.0.2:5432 transfer 500
  traffic db wait transfer 1000 30
  check "web transfers to db on tcp/5432" "$(count db transfer received) records of 1000 bytes" \
    test "$(count db transfer received)" -ge 1000
  before=$(drops office no_rule egress)
  send office tcp 10.90.0.2:5432 refused
  await_drops office no_rule egress "$before"
  check "office may not open tcp/5432 to db" "$(count office refused received) records" \
    test "$(count office refused received)" = 0
  check "the drop is counted" "office, no_rule, egress: $before -> $(drops office no_rule egress)" \
    rose office no_rule egress "$before"
  traffic office stop refused
}

transfer_is_cut() {
  local before_in before_out last_db last_web db_called_ns db_returned_ns
  title "The right is withdrawn in the middle of the transfer"
  before_in=$(drops db no_rule ingress)
  before_out=$(drops db flow_revoked egress)
  put_policy "${everybody[*]}" "${revoked[@]}"
  check "krait reload on db" "" reload db
  db_called_ns=$called_ns db_returned_ns=$returned_ns
  check "and on the others" "" reload web office
  await_drops db no_rule ingress "$before_in" 3
  await_drops db flow_revoked egress "$before_out"
  last_db=$(count db transfer last_ns)
  last_web=$(count web transfer last_ns)
  check "web to db: no packet after db's reload returned" \
    "the last $(milliseconds "$db_called_ns" "$last_db") ms after the call, which took $(milliseconds "$db_called_ns" "$db_returned_ns") ms" \
    test "$last_db" -le "$db_returned_ns"
  check "db to web: nor any after the reloads" "the last $(milliseconds "$db_called_ns" "$last_web") ms after the call" \
    test "$last_web" -le "$returned_ns"
  check "what came later was dropped on its way to db" "db, no_rule, ingress: $before_in -> $(drops db no_rule ingress)" \
    rose db no_rule ingress "$before_in" 3
  check "and on its way back" "db, flow_revoked, egress: $before_out -> $(drops db flow_revoked egress)" \
    rose db flow_revoked egress "$before_out"
}

transfer_goes_on() {
  local before
  title "The right is granted again"
  before=$(count db transfer received)
  put_policy "${everybody[*]}" "${granted[@]}"
  reload db web office
  traffic db more transfer 500 60
  traffic web more transfer 100 60
  check "the same TCP connection goes on" \
    "connection $(count db transfer connections), $before -> $(count db transfer received) records, $(count db transfer misplaced) out of place" \
    test "$(count db transfer connections misplaced) $(count web transfer misplaced)" = "1 0 0"
  check "it was silent for as long as it was forbidden" "$(milliseconds 0 "$(count db transfer largest_gap_ns)") ms" \
    test "$(count db transfer received)" -ge $((before + 500))
}

agent_dies() {
  local before lost_there lost_back
  title "The agent of db is killed"
  serve db udp 10.90.0.2:9000 stream
  put_policy "${everybody[*]}" "${granted[@]}" "web db udp/9000"
  reload db web office
  send web udp 10.90.0.2:9000 stream 200
  traffic db wait stream 100 20
  kill_hard db "${agent_pid[db]}"
  before=$(count db transfer received)
  traffic db more transfer 200 30
  check "with the agent killed the transfer goes on" "$before -> $(count db transfer received) records" \
    test "$(count db transfer received)" -gt "$before"
  agent_start db
  agent_ready db
  traffic db more stream 200 30
  settle stream
  lost_there=$(($(count web stream sent) - $(count db stream received)))
  lost_back=$(($(count db stream sent) - $(count web stream received)))
  check "neither its end nor its new start loses a packet" \
    "$(count web stream sent) datagrams, $lost_there lost there, $lost_back lost back" \
    test "$lost_there $lost_back $(count db stream misplaced)" = "0 0 0"
}

page_tells() {
  title "The metrics page of db, http://127.0.0.1:9517/metrics"
  metrics db | tr -d '\r' | grep -E '^krait_(packets_total|policy_revision|drops_total.* [1-9])' | sed 's/^/    /'
  check "it counts what was let through" "web to db: $(allowed db web db ingress) packets" \
    test "$(allowed db web db ingress)" -gt 1000
}

demo_files() {
  hosts_begin
  mesh_forms
  policy_decides
  transfer_is_cut
  transfer_goes_on
  agent_dies
  page_tells
  hosts_end
}
