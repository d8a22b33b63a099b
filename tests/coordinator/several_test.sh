#!/bin/bash
# Two coordinators on one PostgreSQL that has a standby, and hosts at both, as processes of this machine: each of the
# coordinators is killed while somebody waits, the database is restarted, away, failed over, and put back to a copy.
# usage: several_test.sh FOLDER-OF-PROGRAMS
set -uo pipefail
bin=$1
# shellcheck source=tests/coordinator/processes.sh
. "$(dirname "$0")/processes.sh"

# --- PostgreSQL --------------------------------------------------------------------------------------------------------
# As its own user, for it refuses to run as root; reached over Unix sockets, by two ports in one folder.
pg=$(mktemp -d /tmp/krait-postgresql.XXXXXX)
pg_programs=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
as_postgres=()
if ((EUID == 0)); then
  chown postgres:postgres "$pg"
  as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
postgres() { (cd "$pg" && "${as_postgres[@]}" "$pg_programs/$1" "${@:2}" </dev/null >>"$pg/$1.log" 2>&1); }
declare -A pg_port=([first]=5401 [second]=5402)
pg_options="-c listen_addresses= -c max_connections=20 -c shared_buffers=16MB -c fsync=off -c autovacuum=off -c wal_level=replica"
pg_start() { postgres pg_ctl -D "$pg/$1" -w -l "$pg/$1.log" -o "-k $pg -p ${pg_port[$1]} $pg_options" start; }
pg_stop() { postgres pg_ctl -D "$pg/$1" -w -m "${2:-fast}" stop; } # SERVER [immediate]
sql() { postgres psql -h "$pg" -p "${pg_port[$1]}" -U krait -d postgres -qAt -v ON_ERROR_STOP=1 -o "$pg/answer" -c "$2"; }
answers() { sql "$1" "$2" && [[ $(cat "$pg/answer") == "$3" ]]; }
end_all() {
  local server
  for server in first second; do pg_stop "$server" immediate; done
  ((failed == 0)) || tail -n 20 "$pg"/*.log
  end
  rm -rf "$pg"
}
trap end_all EXIT

# --- Coordinators ------------------------------------------------------------------------------------------------------
export KRAIT_ADMIN_KEY=$work/admin/admin.key KRAIT_COORDINATOR_STATE=$work/state
export KRAIT_COORDINATOR_DATABASE="host=$pg,$pg port=5401,5402 user=krait dbname=krait target_session_attrs=read-write"
declare -A at=() page_at=() # where hosts call, and scrapers
ports=
# another_port: as free_port, none that it gave before.
another_port() {
  until free_port && [[ "$ports " != *" $port "* ]]; do :; done
  ports+=" $port"
}
for name in A B; do
  another_port && at[$name]=127.0.0.1:$port
  another_port && page_at[$name]=127.0.0.1:$port
done

serve() { # serve NAME
  : >"$work/$1.log"
  KRAIT_COORDINATOR_SOCKET="$work/$1.sock" "$bin/krait-coordinator" serve --listen "${at[$1]}" --metrics "${page_at[$1]}" >"$work/$1.log" 2>&1 &
  pid[$1]=$!
  await grep -q ' serves ' "$work/$1.log"
}
by() { KRAIT_COORDINATOR_SOCKET="$work/$1.sock" "$bin/krait-coordinator" "${@:2}"; }
anywhere() { KRAIT_COORDINATOR_PROFILE="$work/profile.json" "$bin/krait-coordinator" "$@"; } # by the network, whoever serves
member() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
online() { (($(by "$1" status -o json | member online) == $2)); }
# policies: how many there have been.
policies() { by "$1" policy history | wc -l; }
# health NAME STATUS: what its page says, as a load balancer asks.
health() {
  exec 3<>"/dev/tcp/${page_at[$1]/://}" && printf 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n' >&3 && [[ $(cat <&3) == "HTTP/1.1 $2 "* ]]
}
connections() { grep -c ' connected with ' "$work/$1-link.log"; }
at_coordinator() { [[ $(grep ' connected with ' "$work/$1-link.log" | tail -n 1) == *"${at[$2]}" ]]; }

# From either of the first two to the other concerns all three hosts.
policy "$work/web.toml" "web db tcp/5432"
policy "$work/office.toml" "office db tcp/22"
policy "$work/both.toml" "web db tcp/5432" "office db tcp/22"

check "PostgreSQL is there" postgres initdb -D "$pg/first" -U krait -A trust --no-sync
check "and serves" pg_start first
check "it has a standby" postgres pg_basebackup -h "$pg" -p 5401 -U krait -D "$pg/second" -R -X stream -c fast --no-sync
check "which follows" pg_start second
sql first "ALTER SYSTEM SET synchronous_standby_names = '*'" && sql first "SELECT pg_reload_conf()"
check "and is waited for" await answers first "SELECT sync_state FROM pg_stat_replication" sync
check "a database" sql first "CREATE DATABASE krait"

check "a network in it" "$bin/krait-coordinator" init --name test --prefix 10.90.0.0/24 --address "${at[A]}" --address "${at[B]}"
check "A serves" serve A
check "B serves" serve B
check "a policy" by A policy apply "$work/both.toml"
check "web1 joins at A" join web1 "$(by A token create --identity web)" --endpoint 127.0.0.1:51801
by A network set --address "${at[B]},${at[A]}" >"$work/said" 2>&1
check "db1 and office1 at B" join db1 "$(by B token create --identity db)" --endpoint 127.0.0.1:51802
join office1 "$(by B token create --identity office)" --endpoint 127.0.0.1:51803 >"$work/said" 2>&1
by A network set --address "${at[A]},${at[B]}" >"$work/said" 2>&1
for host in web1 db1 office1; do agent "$host" && link "$host"; done
check "one host is at A" await online A 1
check "two are at B" await online B 2
have_begun() { has_taken web1 "peers db1/" && has_taken db1 "peers office1/" && has_taken db1 "web1/" && has_taken office1 "peers db1/"; }
check "all have taken what was applied" await have_begun
check "an administrator connects with both" anywhere admin connect "$(by A admin invite)"

# --- Both serve --------------------------------------------------------------------------------------------------------
check "who waits at A waits for B's hosts as well" says "2 of 2 hosts that are online and concerned enforce it" \
  by A policy apply --wait "$work/office.toml"
check "they have it" has_taken web1 "peers rules"
check "what changes at B reaches A's" says "3 of 3" by B policy apply --wait "$work/web.toml"
check "and it has it" has_taken web1 "peers db1/"
check "both know who is online where" test "$(by A host list | grep -c online) $(by B host list | grep -c online)" = "3 3"
check "the hosts of both get other keys" says "3 of 3 hosts have another key" by A host rotate-keys --timeout 20s
check "both know all policies" test "$(policies A) $(policies B)" = "3 3"

# --- One is killed while somebody waits --------------------------------------------------------------------------------
# held: a command that waits for web1, whose agent does not answer.
held() { # held BY COMMAND...
  kill -STOP "${pid[web1-agent]}"
  "$@" >"$work/held.log" 2>&1 &
  pid[held]=$!
}
go_on() {
  kill -CONT "${pid[web1-agent]}"
  wait "${pid[held]}"
  held_status=$?
  unset "pid[held]"
}
# B's host does not answer either: B must not have said what there is to say before it is killed.
kill -STOP "${pid[office1-agent]}"
held by A policy apply --wait --timeout 10s "$work/office.toml"
stored() { [[ $(policies A) == 4 ]]; }
check "the policy is stored before B is killed" await stored
stop B KILL
kill -CONT "${pid[office1-agent]}"
go_on
check "who waits at A is told that of B nothing is known" \
  says "of hosts of the coordinator at ${at[B]} nothing is known" cat "$work/held.log"
check "and that the policy is in force, with exit code 1" test "$held_status $(grep -c 'policy 4 is in force' "$work/held.log")" = "1 1"
check "B's hosts come to A" await online A 3
check "and enforce what is applied there" by A policy apply "$work/web.toml"
check "db1 does" await has_taken db1 "peers web1/"
check "B is back" serve B

held anywhere policy apply --wait --timeout 10s "$work/office.toml"
check "A has told its hosts before it is killed" await has_taken db1 "peers office1/"
stop A KILL
check "A's hosts come to B" await online B 2 # web1's link waits for its agent
go_on
check "who waited by the network goes on by B" says "policy 6 is in force" cat "$work/held.log"
check "is told that of A nothing is known" says "of hosts of the coordinator at ${at[A]} nothing is known" cat "$work/held.log"
check "with exit code 1" test "$held_status" = 1
check "and it was applied once" test "$(policies B)" = 6
check "web1 comes too" await online B 3
check "and enforces it" await has_taken web1 "peers rules"
check "A is back" serve A
for host in web1 office1; do stop "$host-link" && link "$host"; done # which begins with the first address of its token again
check "web1 is at A again" await online A 1
check "the others are at B" await online B 2

# --- The database restarts, and is away --------------------------------------------------------------------------------
stayed=$(connections web1)
check "PostgreSQL restarts" pg_stop first
pg_start first
check "a change at A" await by A policy apply "$work/web.toml"
check "reaches B's hosts, that is B hears again" await has_taken db1 "peers web1/"
check "and B's change A's" says "3 of 3" by B policy apply --wait "$work/office.toml"
pg_stop first immediate
check "PostgreSQL is away: what cannot be kept is refused" says "PostgreSQL: " by A policy apply "$work/web.toml"
check "who looks is answered" says "revision" by A status
check "A's health says so" await health A 503
stop office1-link && link office1
check "a host that calls is served" await at_coordinator office1 B
sleep 3 # in which A and B ask in vain
check "with all hosts online" online A 1
check "B's too" online B 2
check "and what was refused reached nobody" has_taken db1 "peers office1/"
check "PostgreSQL is back" pg_start first
check "and with it changes" await by A policy apply "$work/web.toml"
check "A is in health again" await health A 200
check "at B's hosts too" await has_taken db1 "peers web1/"
check "no host has lost its connection over all that" test "$(connections web1)" = "$stayed"

# --- The standby takes over --------------------------------------------------------------------------------------------
await answers first "SELECT sync_state FROM pg_stat_replication" sync
acknowledge() { # one change after the other, by both; a line for each that was acknowledged
  local number
  for ((number = 1; ; ++number)); do
    by A token create --identity web --note "a$number" >/dev/null 2>&1 && echo "a$number"
    by B token create --identity web --note "b$number" >/dev/null 2>&1 && echo "b$number"
  done
}
acknowledge >"$work/acknowledged" &
pid[acknowledge]=$!
some() { (($(wc -l <"$work/acknowledged") >= $1)); }
check "changes are made" await some 4
pg_stop first immediate
check "the standby takes over" postgres pg_ctl -D "$pg/second" -w promote
sql second "ALTER SYSTEM RESET synchronous_standby_names" && sql second "SELECT pg_reload_conf()"
check "changes go on" await some $(($(wc -l <"$work/acknowledged") + 4))
kill -KILL "${pid[acknowledge]}"
wait "${pid[acknowledge]}" 2>/dev/null
unset "pid[acknowledge]"
by A token list >"$work/tokens"
lost() { while read -r note; do grep -q " $note\$\| $note " "$work/tokens" || echo "$note"; done <"$work/acknowledged"; }
check "none that was acknowledged is lost, of $(wc -l <"$work/acknowledged")" test -z "$(lost)"
check "a policy reaches the hosts of both" says "3 of 3" by A policy apply --wait "$work/office.toml"
check "no host has lost its connection" test "$(connections web1)" = "$stayed"
check "the audit holds" says "none was changed" by B audit verify

# --- The database answers nothing ----------------------------------------------------------------------------------------
second_pids() { head -n 1 "$pg/second/postmaster.pid" && pgrep -P "$(head -n 1 "$pg/second/postmaster.pid")"; }
signal_second() { second_pids | xargs kill "$1"; }
signal_second -STOP
check "a database that is there and answers nothing holds nobody up for ever" \
  says "PostgreSQL: it has not answered for 10 s" by A policy apply "$work/web.toml"
signal_second -CONT
check "once it answers changes go on" await by A policy apply "$work/web.toml"
check "by B too" await by B policy apply "$work/office.toml"
check "no host has lost its connection over that" test "$(connections web1)" = "$stayed"

# --- The database goes back --------------------------------------------------------------------------------------------
pg_stop second
cp -a "$pg/second" "$pg/copy"
pg_start second
answers_again() { by A token create --identity web; } # both have connected anew
await answers_again
check "a change that the copy does not hold" says "3 of 3" by A policy apply --wait "$work/web.toml"
newest=$(took web1)
pg_stop second immediate
rm -rf "$pg/second" && mv "$pg/copy" "$pg/second"
check "the copy takes its place" pg_start second
check "A says so" await grep -q "the database has gone back from revision" "$work/A.log"
check "B too" await grep -q "the database has gone back from revision" "$work/B.log"
all_online() { (($(by A status -o json | member online) + $(by B status -o json | member online) == 3)); }
check "their hosts call again" await all_online
check "hosts keep the newer state" test "$(took web1)" = "$newest"
check "and say so" await says "this host has seen" by A host list
check "an administrator signs what holds anew" says "is signed as revision" by A network sign-anew
check "and hosts take it" await has_taken office1 "peers db1/"
check "from where it goes on" says "3 of 3" by B policy apply --wait "$work/web.toml"
echo "$failed failed"
((failed == 0))
