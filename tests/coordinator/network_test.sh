#!/bin/bash
# A coordinator and three hosts as processes of this machine, over TLS on loopback: the real programs but for the agents, in
# whose place stand_in_agent verifies and keeps what is handed over.
# usage: network_test.sh FOLDER-OF-PROGRAMS [POSTGRESQL]
set -uo pipefail
bin=$1
database=${2:-}
work=$(mktemp -d /tmp/krait-network.XXXXXX)
failed=0
declare -A pid=()

end() {
  local name
  for name in "${!pid[@]}"; do kill -KILL "${pid[$name]}" 2>/dev/null; done
  wait 2>/dev/null
  ((failed == 0)) || for log in "$work"/*.log; do echo "--- $log" && tail -n 20 "$log"; done
  rm -rf "$work"
}
trap end EXIT

# check WHAT COMMAND...
check() {
  local what=$1
  shift
  if "$@" >"$work/said" 2>&1; then echo "ok  $what"; else
    echo "FAILED  $what: $(tail -n 3 "$work/said")"
    failed=$((failed + 1))
  fi
}
not() { ! "$@"; }
says() { # says TEXT COMMAND...: it prints that, whatever it ends with
  local text=$1 said
  shift
  said=$("$@" 2>&1)
  printf '%s\n' "$said"
  [[ $said == *"$text"* ]]
}
await() { # await COMMAND...: ten seconds at most
  local end=$((SECONDS + 10))
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.02
  done
}

export KRAIT_ADMIN_KEY=$work/admin/admin.key KRAIT_COORDINATOR_STATE=$work/state KRAIT_COORDINATOR_SOCKET=$work/run/admin.sock
export KRAIT_COORDINATOR_DATABASE=$database
coordinator() { "$bin/krait-coordinator" "$@"; }

port=$((20000 + RANDOM % 12000)) # below those that the kernel gives away
until ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
serve() {
  : >"$work/coordinator.log" # before anybody looks: of a former one it says that it serves
  "$bin/krait-coordinator" serve --listen "127.0.0.1:$port" --metrics "" >"$work/coordinator.log" 2>&1 &
  pid[coordinator]=$!
  await grep -q ' serves ' "$work/coordinator.log"
}
stop() {
  kill "-${2:-TERM}" "${pid[$1]}" 2>/dev/null
  wait "${pid[$1]}" 2>/dev/null
  unset "pid[$1]"
}

# places HOST: sets `place`, before a command that gets the host's folders.
places() {
  place=(env KRAIT_JOINED="$work/$1/krait/joined/host.json" KRAIT_LINK_STATE="$work/$1/link" KRAIT_SOCKET="$work/$1/run/krait.sock")
}
join() { # join HOST TOKEN [FLAG...]
  mkdir -p "$work/$1/krait"
  places "$1"
  "${place[@]}" "$bin/krait" join "$2" --name "$1" --no-start "${@:3}"
}
agent() {
  places "$1"
  "${place[@]}" "$bin/stand_in_agent" "$work/$1/krait/joined/host.json" "$work/$1/run/krait.sock" "$work/$1/took" >"$work/$1-agent.log" 2>&1 &
  pid[$1-agent]=$!
}
link() {
  places "$1"
  "${place[@]}" "$bin/krait-link" >"$work/$1-link.log" 2>&1 &
  pid[$1-link]=$!
}
took() { tail -n 1 "$work/$1/took" 2>/dev/null; } # what the host's agent took last
has_taken() { [[ $(took "$1") == *"$2"* ]]; }
online() { (($(coordinator status -o json | sed -n 's/.*"online":\([0-9]*\).*/\1/p') == $1)); }
resident_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

policy() { # policy FILE RULE...: "FROM TO PORT"
  local file=$1 rule from to ports
  shift
  for name in web db office; do printf '[[identity]]\nname = "%s"\n' "$name"; done >"$file"
  for rule in "$@"; do
    read -r from to ports <<<"$rule"
    printf '[[rule]]\nname = "%s"\naction = "allow"\nfrom = ["%s"]\nto = ["%s"]\nports = ["%s"]\n' "$rule" "$from" "$to" "$ports" >>"$file"
  done
}
policy "$work/first.toml" "web db tcp/5432"
policy "$work/second.toml" "office db tcp/22"
policy "$work/both.toml" "web db tcp/5432" "office db tcp/22"

check "init" coordinator init --name test --prefix 10.90.0.0/24 --prefix fd90::/64 --address 127.0.0.1:1
check "a second init is refused" not coordinator init --prefix 10.90.0.0/24 --address 127.0.0.1:1
check "serve" serve
check "the address for tokens is set" coordinator network set --address "127.0.0.1:$port"
check "a dry run says who gains what" says "+ web (no host yet) to db (no host yet): tcp/5432" coordinator policy apply --dry-run "$work/first.toml"
check "the policy is applied" coordinator policy apply --wait "$work/first.toml"

web_token=$(coordinator token create --identity web)
check "a token is one word" test "${web_token:0:7}" = krait1_ -a "${#web_token}" -lt 300
check "web1 joins" says "joined as web1: web, 10.90.0.1, fd90::1" join web1 "$web_token" --endpoint 127.0.0.1:51801
check "the token is spent" says "the token is spent" join web2 "$web_token"
check "db1 joins" join db1 "$(coordinator token create --identity db)" --endpoint 127.0.0.1:51802
check "office1 joins" join office1 "$(coordinator token create --identity office --routes 10.20.0.0/16=office)"
check "an identity that the policy does not know waits for it" says "does not know the identity cache" \
  join cache1 "$(coordinator token create --identity cache 2>/dev/null)"
token=$(coordinator token create --identity web)
check "a token that was revoked" coordinator token revoke "$(coordinator token list -o json | grep -o '"token":"[^"]*"[^}]*"uses_left":1[^}]*"revoked":false' | sed -n 's/"token":"\([^"]*\)".*"identity":"web".*/\1/p')"
check "is refused" says "was revoked" join web3 "$token"
check "a forged token is refused" says "none of this network" join web3 "${token:0:100}AAAAAAAA${token:108}"

for host in web1 db1 office1; do agent "$host" && link "$host"; done
check "all are online" await online 3
check "web1 knows db1 alone" await has_taken web1 "peers db1/127.0.0.1:51802 rules"
check "office1 knows nobody" await has_taken office1 "peers rules"

check "a policy in force everywhere" says "3 of 3 hosts that are online and concerned enforce it" \
  coordinator policy apply --wait "$work/second.toml"
grep 'the last one after' "$work/said"
check "web1 knows nobody any more" has_taken web1 "peers rules"
check "office1 knows db1" has_taken office1 "peers db1/"
check "the rollback" coordinator policy rollback --wait
check "the history" says "rollback to 1" coordinator policy history

kb=$(resident_kb "${pid[web1-link]}")
check "the link's memory: $kb kB" test "$kb" -le 12288

# --- Who is away -------------------------------------------------------------------------------------------------------
stop office1-agent
check "who does not enforce it is named" says "office1 does not" coordinator policy apply --wait --timeout 3s "$work/both.toml"
agent office1
check "and follows once its agent is back" await has_taken office1 "peers db1/"
stop coordinator KILL
check "the coordinator is back after a kill" serve
check "and all hosts" await online 3
check "nothing of what was said is lost" says '4  ' coordinator policy history
check "a change reaches those whom it concerns" says "2 of 2" coordinator policy apply --wait "$work/second.toml"
stop db1-link
coordinator policy apply "$work/first.toml" >"$work/said" 2>&1
link db1
check "who was away takes what was changed meanwhile" await has_taken db1 "peers web1/"

# --- Nothing left to accept with ---------------------------------------------------------------------------------------
descriptors() { ls "/proc/${pid[coordinator]}/fd" | wc -l; }
strangers=()
most=$(($(descriptors) + 4))
has_none_left() { (($(descriptors) >= most)); }
prlimit --pid "${pid[coordinator]}" --nofile="$most:$(ulimit -Hn)"
for _ in {1..12}; do
  exec {stranger}<>"/dev/tcp/127.0.0.1/$port" && strangers+=("$stranger")
done
check "strangers take all descriptors" await has_none_left
used=$(cut -f 1 -d ' ' "/proc/${pid[coordinator]}/schedstat")
stop web1-link && link web1
sleep 1
used=$((($(cut -f 1 -d ' ' "/proc/${pid[coordinator]}/schedstat") - used) / 1000000))
check "which burns no processor: $used ms of a second" test "$used" -lt 300
for stranger in "${strangers[@]}"; do exec {stranger}>&-; done
check "once they have gone all hosts are served again" await online 3
prlimit --pid "${pid[coordinator]}" --nofile="$(ulimit -Hn):$(ulimit -Hn)"

# --- Who goes ----------------------------------------------------------------------------------------------------------
check "web1 becomes an office" coordinator host set-identity web1 office --wait
check "db1 is told" await has_taken db1 "peers rules"
check "office1 is removed" coordinator host remove office1 --wait
check "its key is refused" await grep -q "was removed" "$work/office1-link.log"
check "its addresses rest" says "10.90.0.4" join web4 "$(coordinator token create --identity web)"
places db1
check "db1 leaves" "${place[@]}" "$bin/krait" leave --no-stop
check "db1 is off" says "has left" coordinator host list
check "the audit holds" says "none was changed" coordinator audit verify
if [[ -z $database ]]; then
  check "a backup" coordinator backup "$work/state/backup.db"
  stop coordinator
  check "the restore" coordinator restore "$work/state/backup.db"
  check "serves what was saved" serve
  check "with all its hosts" says "office" coordinator host show web1
fi
echo "$failed failed"
((failed == 0))
