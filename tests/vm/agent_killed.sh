#!/bin/bash
# SIGKILL of an agent changes nothing on the wire: what is allowed passes, what is denied does not. A new agent takes over
# without losing a packet, and the counters go on. SIGHUP loads edited files; wrong ones change nothing.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

rules=("web db tcp/5432 udp/9000" "office web tcp/443")

mesh_of_three "${rules[@]}"
put_policy office "${rules[@]}" "office db tcp/5432" # so that db's ingress has to drop it
reload office
serve db tcp 10.90.0.2:5432 transfer
send web tcp 10.90.0.2:5432 transfer
serve db udp '[fd90::2]:9000' stream
send web udp '[fd90::2]:9000' stream
check "traffic runs" "" traffic web wait stream 100 30
dropped_before=$(drops db no_rule ingress)

for name in web db; do kill_hard "$name" "${agent_pid[$name]}"; done
check "no agent answers" "" bash -c '! krait status' # in the guest itself there is none
check "TCP goes on without agents" "" traffic db more transfer 200 30
check "UDP goes on without agents" "" traffic web more stream 200 30
send office tcp 10.90.0.2:5432 refused
check "what is denied stays denied" "$(count office refused received) records" test \
  "$(traffic office wait refused 1 3 && echo opened)" = ""
traffic office stop refused
for name in web db; do
  agent_start "$name"
  agent_ready "$name"
done
check "new agents answer" "attached by $(attachment db)" test "$(attachment db)" != null
check "TCP goes on with them" "" traffic db more transfer 200 30
check "UDP goes on with them" "" traffic web more stream 200 30
check "db dropped office's packets meanwhile" "$dropped_before -> $(drops db no_rule ingress)" \
  rose db no_rule ingress "$dropped_before"

revision() { metric "$1" krait_policy_revision; }
revision_beyond() { (($(revision db) > $1)); }
before=$(revision db)
put_file db /etc/krait/policy.toml 'nonsense = "here"'
check "a reload of a wrong policy fails" "exit 1" bash -c "[[ $(on db krait reload >"$lab_dir/wrong.log" 2>&1; echo $?) == 1 ]]"
check "it says where" "$(head -n 1 "$lab_dir/wrong.log")" grep -q '/etc/krait/policy.toml:1:1: ' "$lab_dir/wrong.log"
check "the revision in force stays" "$before" test "$(revision db)" = "$before"
check "so does the traffic" "" traffic db more transfer 100 30
put_policy db "${rules[@]}" "office db tcp/9999"
on db kill -HUP "${agent_pid[db]}"
check "SIGHUP loads the files" "" until_true 10 revision_beyond "$before"

check "not a datagram is missing" "$(count web stream sent) and $(count db stream sent) sent" settle stream
check "one connection, in sequence" "$(count db transfer received) records" \
  test "$(count db transfer connections misplaced) $(count web transfer misplaced)" = "1 0 0"
finish agent_killed
