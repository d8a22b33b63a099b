#!/bin/bash
# What a rule may say besides allow and deny, on real WireGuard: it ends by itself without an agent, it follows a clock that
# is set, it tells the application at once, it reports and counts.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

# option RULE LINE...: the text of a policy with one more rule, which has these lines.
with_rule() {
  policy "web db tcp/9001"
  printf '[[rule]]\nname = "%s"\n' "$1"
  printf '%s\n' "${@:2}"
}

put_rule() {
  local name text
  text=$(with_rule "${@:2}")
  for name in $1; do put_file "$name" /etc/krait/policy.toml "$text"; done
}

web_to_db=('from = ["web"]' 'to = ["db"]')

# rule_field HOST RULE FIELD
rule_field() { on "$1" krait rules -o json | krait-lab-json "rules[rule=$2].$3"; }

# connects HOST ADDRESS PORT SECONDS: prints what trying comes to.
connects() { on "$1" timeout "$4" bash -c "exec 3<>/dev/tcp/$2/$3" 2>&1 | grep -m 1 -oE 'refused|unreachable' | head -n 1 | grep . || echo none; }

mesh_of_three "web db tcp/9001"

# --- expires ---
put_rule "web db" visit 'action = "allow"' "${web_to_db[@]}" 'ports = ["udp/9000"]' 'expires = "20s"' 'log = true'
reload web db
serve db udp 10.90.0.2:9000 visit
send web udp 10.90.0.2:9000 visit
check "a visit of 20 s runs" "" traffic web wait visit 50 15
check "its rule counts at both ends" "$(rule_field db visit packets) packets at db" \
  test "$(rule_field db visit packets)" -gt 50 -a "$(rule_field web visit packets)" -gt 50
event=$(on db krait events -o json | grep -m 1 '"rule": \?"visit"')
check "log: its opening was reported" "$event" \
  test "$(krait-lab-json . verdict from to destination_port line <<<"$event")" = \
  "allow: web: db: 9000: $(rule_field db visit line)"
kill_hard web "${agent_pid[web]}"
kill_hard db "${agent_pid[db]}"
silent_of() {
  local before
  before=$(count db "$1" received)
  sleep 2
  [[ $(count db "$1" received) == "$before" ]]
}
silent() { silent_of visit; }
check "expires: it ends with no agent at either end" "" until_true 40 silent
agent_start web
agent_start db
agent_ready web
agent_ready db
before=$(drops web rule_expired egress)
check "expires: web's packets are dropped as expired" "" await_drops web rule_expired egress "$before" 5
check "expires: the new agent did not start it again" "$(rule_field db visit expires_in_s) s left" \
  test "$(rule_field db visit expires_in_s) $(rule_field web visit expires_in_s)" = "0 0"
for name in web db; do on "$name" krait down --keep-enforcing >/dev/null; done
for name in web db; do agent_start "$name" && agent_ready "$name"; done
check "expires: nor did one behind krait down --keep-enforcing" "$(rule_field db visit expires_in_s) s left" \
  test "$(rule_field db visit expires_in_s) $(rule_field web visit expires_in_s)" = "0 0"
check "expires: the agent warns" "$(agent_log web | grep -o 'the rule "visit" has expired.*')" \
  grep -q 'the rule "visit" has expired' <(agent_log web)
traffic web stop visit
traffic db stop visit

# --- the clock is set ---
till=('action = "allow"' "${web_to_db[@]}" 'ports = ["udp/9002"]'
  "expires = \"$(date -u -d @$(($(date +%s) + 3600)) +%Y-%m-%dT%H:%M:%SZ)\"")
# A test of the policy that expects what ends does not keep it alive.
put_rule "web db" till "${till[@]}" '[[test]]' 'from = "web"' 'to = "db"' 'port = "udp/9002"' 'expect = "allow"'
reload web db
serve db udp 10.90.0.2:9002 till
send web udp 10.90.0.2:9002 till
check "a rule of one more hour runs" "" traffic web wait till 50 15
before=$(drops web rule_expired egress)
date -s "@$(($(date +%s) + 7200))" >/dev/null
check "the clock goes on by two hours: dropped as expired" "" await_drops web rule_expired egress "$before" 5
date -s "@$(($(date +%s) - 7200))" >/dev/null
# has_ended BEFORE: no packet of the rule passes, since it has expired.
has_ended() {
  await_drops web rule_expired egress "$1" 5 && [[ $(rule_field db till expires_in_s) == 0 && $(rule_field web till expires_in_s) == 0 ]]
}
status_says_so() { on web krait status | grep -q '^clock: ' && [[ $(clock_faults) == "the clock is wrong, or was: it was later before"* ]]; }
clock_faults() { on web krait status -o json | krait-lab-json faults[].what; }
check "the clock goes back: what has ended stays ended" "" has_ended "$(drops web rule_expired egress)"
check "the clock goes back: status says so" "$(on web krait status | grep -E '^(clock|fault)')" \
  status_says_so
check "the clock goes back: so does the log" "" until_true 5 eval 'agent_log web | grep -q "the clock is wrong, or was"'
check "the clock goes back: the doctor sees it" "$(on web krait doctor | grep -i clock)" \
  eval 'on web krait doctor | grep -q "but it was already at"'
put_rule "web db" till "${till[@]}"
reload web db
check "the clock goes back: a reload does not start it again" "" has_ended "$(drops web rule_expired egress)"
check "the clock goes back: krait check warns" "" eval 'on web krait check 2>&1 | grep -q "the rule \"till\" has expired"'
for name in web db; do kill_hard "$name" "${agent_pid[$name]}"; done
date -s "@$(($(date +%s) - 7200))" >/dev/null
check "the clock goes back without an agent: nothing passes" "" silent_of till
for name in web db; do agent_start "$name" && agent_ready "$name"; done
check "the clock goes back: nor does the next agent" "" has_ended "$(drops web rule_expired egress)"
on db krait down >/dev/null
agent_start db && agent_ready db
check "the clock goes back: nor one after krait down" "" has_ended "$(drops web rule_expired egress)"
date -s "@$(($(date +%s) + 7200))" >/dev/null
for name in web db; do on "$name" rm /var/lib/krait/latest_time; done
reload web db
# db's interface is a new one, as krait down took the other away, and web shakes hands again after 15 s without an answer.
check "web shakes hands with db's new interface" "" until_true 40 shook_hands db web
check "the owner says that this clock is right: it runs again" "$(clock_faults)" traffic db more till 20 15
check "the owner says that this clock is right: no fault is left" "$(clock_faults)" test -z "$(clock_faults)"
traffic web stop till
traffic db stop till

# --- reject ---
put_rule "web db" closed 'action = "deny"' "${web_to_db[@]}" 'ports = ["tcp/81", "udp/81"]' 'reject = true'
reload web db
before=$(drops web denied_by_rule egress)
check "reject: a connection is refused at once" "" test "$(connects web 10.90.0.2 81 10)" = refused
check "reject: over IPv6" "" test "$(connects web fd90::2 81 10)" = refused
check "reject: and is counted as dropped" "" rose web denied_by_rule egress "$before" 2
check "without reject: silence" "" test "$(connects web 10.90.0.2 82 3)" = none
serve db tcp 10.90.0.2:9001 cut
send web tcp 10.90.0.2:9001 cut
check "reject: a transfer runs" "" traffic web wait cut 50 15
put_rule "web" closed 'action = "deny"' "${web_to_db[@]}" 'ports = ["tcp/9001"]' 'reject = true'
reload web
was_reset() { [[ $(count web cut error) == 104 ]]; } # ECONNRESET
check "reject: revoked, its sender hears of it at once" "" until_true 10 was_reset
finish rule_options
