# shellcheck shell=bash disable=SC2154,SC2034
# Faults under traffic, for the scenarios tests/vm/faults_*.sh: what each lets through and what it loses.
#
# web sends to db what is allowed: a TCP connection for the whole scenario, and a UDP stream for each fault, every datagram of
# which is counted. office sends all the while what db must drop: its own policy lets it out.

# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

allowed_rules=("web db tcp/5432 udp/9000-9099")
forbidden_rule="office db udp/8999"
forbidden_reason=no_rule
rate=20 # records a second of each end: an emulated CPU has a millisecond or two of work with one, and agents start beside them
fault_number=0
fault_table=()

# The mesh and its traffic.
faults_begin() {
  mesh_of_three "${allowed_rules[@]}"
  put_policy office "${allowed_rules[@]}" "$forbidden_rule"
  reload office
  serve db udp 10.90.0.2:8999 forbidden
  send office udp 10.90.0.2:8999 forbidden "$rate"
  serve db tcp 10.90.0.2:5432 transfer "$rate"
  send web tcp 10.90.0.2:5432 transfer "$rate"
  check "allowed traffic runs" "" traffic web wait transfer 20 30
  check "what is forbidden is dropped" "" await_drops db "$forbidden_reason" ingress 0 20
}

# fault_begin NAME: a stream of its own.
fault_begin() {
  fault=$1
  fault_number=$((fault_number + 1))
  stream=stream$fault_number
  local port=$((9000 + fault_number))
  serve db udp "10.90.0.2:$port" "$stream" "$rate"
  send web udp "10.90.0.2:$port" "$stream" "$rate"
  traffic web wait "$stream" 20 20 || check "$fault: its stream runs" "" false
  dropped_before=$(drops db "$forbidden_reason" ingress)
}


# fault_end MOST: at most so many datagrams of both directions may be missing; traffic goes on, and what is forbidden did not
# arrive but was dropped all the while.
fault_end() {
  local most=$1 sent missing arrived dropped
  local -a web db
  check "$fault: traffic goes on" "" more_of_both
  await_drops db "$forbidden_reason" ingress "$dropped_before" 20
  settle "$stream"
  read -ra web <<<"$(count web "$stream" sent received)"
  read -ra db <<<"$(count db "$stream" sent received)"
  sent=$((web[0] + db[0])) missing=$((web[0] - db[1] + db[0] - web[1]))
  arrived=$(count db forbidden received) dropped=$(drops db "$forbidden_reason" ingress)
  check "$fault: at most $most datagrams are lost" "$missing of $sent" test "$missing" -le "$most"
  check "$fault: nothing forbidden passed" "$arrived arrived, dropped as $forbidden_reason: $dropped_before -> $dropped" \
    test "$arrived" -eq 0 -a "$dropped" -ge $((dropped_before + 20))
  fault_table+=("$fault|$sent|$missing|$most|$arrived|$((dropped - dropped_before))")
  traffic web stop "$stream"
  traffic db stop "$stream"
}

more_of_both() { traffic web more "$stream" 30 30 && traffic db more transfer 20 30; }

# faults_finish NAME: the connection was one and the same, and the table.
faults_finish() {
  check "one TCP connection for all of it, in sequence" "$(count db transfer received) records" \
    test "$(count db transfer connections misplaced) $(count web transfer misplaced)" = "1 0 0"
  echo "fault|allowed datagrams sent|lost|may be lost|forbidden that arrived|forbidden that was dropped"
  printf '%s\n' "${fault_table[@]}"
  finish "$1"
}

# fails_with HOST EXIT TEXT COMMAND...: within 60 s, with that exit status; its output holds TEXT.
fails_with() {
  local name=$1 status=$2 text=$3 got=0
  shift 3
  said=$(on "$name" timeout 60 "$@" 2>&1) || got=$?
  [[ $got == "$status" && $said == *"$text"* ]]
}

# refuses TEXT HOST EXIT WORDS COMMAND...: a step that says what the command said.
refuses() {
  local text=$1 held=true
  shift
  fails_with "$@" || held=false
  check "$text" "$(tail -n 1 <<<"$said" | cut -c1-160)" "$held"
}

# agent_again HOST: kills the agent and starts another.
agent_again() {
  kill_hard "$1" "${agent_pid[$1]}"
  agent_start "$1"
  agent_ready "$1"
}
