#!/bin/bash
# A coordinator and three hosts as processes of this machine, over TLS on loopback: the real programs but for the agents, in
# whose place stand_in_agent verifies and keeps what is handed over.
# usage: network_test.sh FOLDER-OF-PROGRAMS [POSTGRESQL]
set -uo pipefail
bin=$1
database=${2:-}
# shellcheck source=tests/coordinator/processes.sh
. "$(dirname "$0")/processes.sh"

export KRAIT_ADMIN_KEY=$work/admin/admin.key KRAIT_COORDINATOR_STATE=$work/state KRAIT_COORDINATOR_SOCKET=$work/run/admin.sock
export KRAIT_COORDINATOR_DATABASE=$database
coordinator() { "$bin/krait-coordinator" "$@"; }

free_port
serve() {
  : >"$work/coordinator.log" # before anybody looks: of a former one it says that it serves
  "$bin/krait-coordinator" serve --listen "127.0.0.1:$port" --metrics "" >"$work/coordinator.log" 2>&1 &
  pid[coordinator]=$!
  await grep -q ' serves ' "$work/coordinator.log"
}
online() { (($(coordinator status -o json | sed -n 's/.*"online":\([0-9]*\).*/\1/p') == $1)); }
resident_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

policy "$work/first.toml" "web db tcp/5432"
policy "$work/second.toml" "office db tcp/22"
policy "$work/both.toml" "web db tcp/5432" "office db tcp/22"

check "init" coordinator init --name test --prefix 10.90.0.0/24 --prefix fd90::/64 --address 127.0.0.1:1
check "a second init is refused" not coordinator init --prefix 10.90.0.0/24 --address 127.0.0.1:1
chmod 644 "$KRAIT_COORDINATOR_STATE/server.pem"
check "with a key that others may read nobody is served" says "chmod 600" timeout 20 "$bin/krait-coordinator" serve --listen "127.0.0.1:$port" --metrics ""
chmod 600 "$KRAIT_COORDINATOR_STATE/server.pem"
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

short=$(coordinator token create --identity web --ttl 1s)
last_second=$(($(date +%s) + 1)) # of it, at the latest
is_over() { (($(date +%s) > last_second)); }
await is_over
check "one that has expired is refused" says "the token has expired" join web3 "$short"
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

# --- What every host would refuse --------------------------------------------------------------------------------------
printf '[[identity]]\nname = "web"\n[[identity]]\nname = "db"\n' >"$work/without.toml"
check "an identity that a host has stays in the policy" says "the identity office any more, which office1 has" coordinator policy apply --dry-run "$work/without.toml"
check "a network behind one host is behind no other" says "10.20.0.0/16 is host office1's already" coordinator host set-routes db1 10.20.0.0/16=office
check "nor by a token" says "10.20.0.0/16 is host office1's already" coordinator token create --identity db --routes 10.20.0.0/16=office
check "nor is it another host's address" says "10.90.0.1/32 is host web1's already" coordinator host set-routes db1 10.90.0.1/32=office
check "a host is nothing that the policy does not know" says "does not know the identity cellar" coordinator host set-identity db1 cellar

# --- What cannot be meant ----------------------------------------------------------------------------------------------
check "what a command line says wins over the environment" says "no coordinator serves at $work/none" coordinator status --socket "$work/none"
check "nothing to set is nothing to do" says "say what to set" coordinator network set
check "a keepalive of a day" says "a keepalive is 0 to 3600 s" coordinator network set --keepalive 86400
check "a note that drives a terminal" says "without control characters" coordinator token create --identity web --note $'\e[2J'
check "a route that is there twice" says "is there twice" coordinator host set-routes db1 10.30.0.0/16=web,10.30.0.0/16=db
check "a place that is none" says "no address with a port" join web7 "$web_token" --endpoint web7
cp "$KRAIT_ADMIN_KEY" "$work/none.key"
check "an administrator's key without what belongs to it" says "admin connect INVITATION" \
  env KRAIT_ADMIN_KEY="$work/none.key" "$bin/krait-coordinator" host remove web1

kb=$(resident_kb "${pid[web1-link]}")
check "the link's memory: $kb kB" test "$kb" -le 12288

places web1
check "krait check knows a host that has joined" says "host web1 (web) on wg0, peers: 1" "${place[@]}" "$bin/krait" check
check "and doctor too" says "the state that administrators signed are valid" "${place[@]}" "$bin/krait" doctor

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
descriptors() { find "/proc/${pid[coordinator]}/fd" -type l | wc -l; }
most=$(($(descriptors) + 4))
has_none_left() { (($(descriptors) >= most)); }
prlimit --pid "${pid[coordinator]}" --nofile="$most:$(ulimit -Hn)"
bash -c 'for _ in {1..12}; do exec {stranger}<>"/dev/tcp/127.0.0.1/$1"; done; exec sleep 60' strangers "$port" &
pid[strangers]=$!
check "strangers take all descriptors" await has_none_left
used=$(cut -f 1 -d ' ' "/proc/${pid[coordinator]}/schedstat")
stop web1-link && link web1
sleep 1
used=$((($(cut -f 1 -d ' ' "/proc/${pid[coordinator]}/schedstat") - used) / 1000000))
check "which burns no processor: $used ms of a second" test "$used" -lt 300
stop strangers KILL
check "once they have gone all hosts are served again" await online 3
prlimit --pid "${pid[coordinator]}" --nofile="$(ulimit -Hn):$(ulimit -Hn)"
# --- Keys --------------------------------------------------------------------------------------------------------------
key_of() { coordinator host show "$1" | sed -n "s/.*WireGuard's key: //p"; }
web_key=$(key_of web1)
check "one command gives all hosts other keys" says "3 of 3 hosts have another key" coordinator host rotate-keys --timeout 20s
check "web1's is another one" test "$(key_of web1)" != "$web_key"
check "and its agent has it" await has_taken web1 "as $(key_of web1 | cut -c1-8) "
called=$(grep -c "connected with" "$work/web1-link.log")
calls_again() { (($(grep -c "connected with" "$work/web1-link.log") > called)); }
check "by which it may join once more" says "joined as web1" join web1 "$web_token" --endpoint 127.0.0.1:51801
check "which ends the link's connection, and it calls again" await calls_again
check "the former one is gone" not grep -rq "$web_key" "$work/web1/link/offered"

# --- Administrators ----------------------------------------------------------------------------------------------------
# as NAME WORD...: on a machine of that administrator's, over the network.
as() {
  local name=$1
  shift
  env -u KRAIT_COORDINATOR_SOCKET KRAIT_ADMIN_KEY="$work/$name/admin.key" KRAIT_COORDINATOR_PROFILE="$work/$name/profile.json" \
    "$bin/krait-coordinator" "$@"
}
check "init's administrator is the first" says "admin  admin  " coordinator admin list
bob_key=$(as bob admin key)
check "a public key is printed, the same each time" test "${#bob_key}" = 44 -a "$bob_key" = "$(as bob admin key)"
check "without a profile nobody is asked" says "admin connect INVITATION makes one" as bob status
invitation=$(coordinator admin invite)
check "whom nobody has added is refused" says "knows no administrator with this key" as bob admin connect "$invitation"
check "a key that is none" says "is no administrator's public key" coordinator admin add bob "${bob_key:0:40}AAAA" --role policy
check "bob is added" says "admin connect krait_network1_" coordinator admin add bob "$bob_key" --role policy
check "a name is given once" says "there is an administrator bob" coordinator admin add bob "$bob_key"
check "bob connects" says "test is reached by" as bob admin connect "$(coordinator admin invite)"
check "bob looks" says "web1 " as bob host list
check "bob applies a policy" says "3 of 3" as bob policy apply --wait "$work/second.toml"
check "and it is in the history under bob's name" says "administrator bob  apply" coordinator policy history
check "bob may not remove a host" says "administrator bob may not do that: it takes the role admin" as bob host remove web1
check "nor grant a token" says "it takes the role admin" as bob token create --identity web
check "nor add anybody" says "somebody who stays an admin has to do that" as bob admin add eve "$(as eve admin key)"
check "nor sign hosts for somebody else to hand in" says "is not signed by an admin" \
  env KRAIT_ADMIN_KEY="$work/bob/admin.key" "$bin/krait-coordinator" host remove web1
check "carol, who reads" coordinator admin add carol "$(as carol admin key)" --role read
check "connects" as carol admin connect "$(coordinator admin invite)"
check "carol looks" says "web1 " as carol host list
check "and applies nothing" says "administrator carol may not do that: it takes the role policy" as carol policy apply "$work/first.toml"
check "nor writes a file on the coordinator's machine" says "it takes the role admin" as carol backup "$work/state/stolen.db"
mkdir -p "$work/mallory" && cp "$work/carol/admin.key" "$work/carol/admin.key.anchor" "$work/mallory/"
sed 's/"server_key":"../"server_key":"00/' "$work/carol/profile.json" >"$work/mallory/profile.json"
check "whoever is not the coordinator is told nothing" says "is not the coordinator whose key is known" as mallory status
check "dave, an admin" coordinator admin add dave "$(as dave admin key)"
check "connects from elsewhere" as dave admin connect "$(coordinator admin invite)"
dave_token=$(as dave token create --identity web --uses 2)
check "a host joins with dave's token" join web5 "$dave_token" --endpoint 127.0.0.1:51805
check "dave is removed" says "dave is no administrator any more" coordinator admin remove dave
check "and is nobody then" says "knows no administrator with this key" as dave status
check "whom dave's token vouched for an administrator vouches for" says "vouched for by: administrator" coordinator host show web5
check "and dave's token is none" says "was revoked" join web6 "$dave_token"
check "what hosts have is signed by those who stay" says "3 of 3" coordinator policy apply --wait "$work/first.toml"
check "a new key of admin's" env KRAIT_ADMIN_KEY="$work/admin/next.key" "$bin/krait-coordinator" admin key
check "takes the place of the former one" says "admin has another key" coordinator admin replace admin --new-key "$work/admin/next.key"
check "which signs nothing any more" says "not signed by an admin" coordinator policy apply "$work/second.toml"
KRAIT_ADMIN_KEY=$work/admin/next.key
check "hosts take what the new key signs" says "3 of 3" coordinator policy apply --wait "$work/second.toml"
check "db1 knows office1 then" has_taken db1 "peers office1/"
check "the last admin cannot go" says "somebody who stays an admin has to do that" coordinator admin remove admin
check "bob may read only" coordinator admin set-role bob read
check "from the next request on" says "it takes the role policy" as bob policy apply "$work/first.toml"
check "bob goes" coordinator admin remove bob
check "and nothing of his is answered" not as bob status
check "the audit knows it all" says "administrator dave is removed" coordinator audit list
check "and who signed" says "administrator bob is added: policy, $bob_key" coordinator audit list
check "the policy of before" coordinator policy apply "$work/first.toml"

# --- A lease -----------------------------------------------------------------------------------------------------------
{ echo 'lease = "4s"' && cat "$work/first.toml"; } >"$work/leased.toml"
check "a lease is something to be told of" says "lease: 4s, before none" coordinator policy apply --dry-run "$work/leased.toml"
check "it reaches every host that is online" says "3 of 3" coordinator policy apply --wait "$work/leased.toml"
confirmations() { grep -c confirmed "$work/$1/took"; }
count_more() { (($(confirmations "$1") > $2)); }
check "a host that is idle is told that nothing is newer" await count_more web1 "$(($(confirmations web1) + 2))"
stop coordinator
silent=$(confirmations web1)
sleep 2
check "without a coordinator nobody says so" test "$(confirmations web1)" = "$silent"
serve
check "and back it does again" await count_more web1 "$silent"
check "to all hosts" await online 3
check "no lease any more" coordinator policy apply --wait "$work/first.toml"
check "web5 goes" coordinator host remove web5

# --- Keys between pairs of hosts -----------------------------------------------------------------------------------------
{ echo 'preshared_keys = true' && cat "$work/first.toml"; } >"$work/paired.toml"
policy_number() { coordinator policy show -o json | sed -n 's/.*"policy":\([0-9]*\).*/\1/p'; }
check "that pairs of hosts share keys is something to be told of" says "preshared keys between pairs of hosts: on, before off" \
  coordinator policy apply --dry-run "$work/paired.toml"
check "with everybody there nobody is cut off" not says "offline" coordinator policy apply --dry-run "$work/paired.toml"
check "it reaches every host that is online" says "3 of 3" coordinator policy apply --wait "$work/paired.toml"
check "the policy shows it" says "preshared_keys = true" coordinator policy show
check "so does what differs from the one before" says "on, before off" coordinator policy diff "$(($(policy_number) - 1))"
stop office1-link
check "somebody who is away is named before they are turned off" await says "offline: office1. Until such a host has heard of it" \
  coordinator policy apply --dry-run "$work/first.toml"
link office1
check "who is back then" await online 3
check "off again" says "off, before on" coordinator policy apply --wait "$work/first.toml"

stop office1-link
check "while somebody is offline all keys stay" says "all keys stay" coordinator host rotate-keys --timeout 1s
check "unless they are left behind" says "2 of 2 hosts have another key" coordinator host rotate-keys --despite-offline --timeout 20s
link office1
check "who follows once back" await online 3

# --- Clocks ------------------------------------------------------------------------------------------------------------
# off BY COMMAND...: by a clock that is so many seconds off.
off() { LD_PRELOAD="$bin/clock_shift.so" KRAIT_TEST_SHIFT_S="$1" "${@:2}"; }
year=31536000
old_token=$(coordinator token create --identity web --ttl 1h)
check "a host whose clock is a year ahead joins" off "$year" join ahead1 "$(coordinator token create --identity web)" --endpoint 127.0.0.1:51806
check "and one whose is a year behind" off "-$year" join behind1 "$(coordinator token create --identity web)" --endpoint 127.0.0.1:51807
check "its peers believe both" await has_taken db1 "ahead1/127.0.0.1:51806 behind1/127.0.0.1:51807 web1/"
stop coordinator
check "a coordinator whose clock is a year ahead" off "$year" serve
check "serves hosts" await online 3
check "and policies" says "3 of 3" coordinator policy apply --wait "$work/second.toml"
check "tokens end too early by it, and it says why" says "s ago by the coordinator's clock" join late1 "$old_token"
stop coordinator
check "one whose clock is a year behind" off "-$year" serve
check "serves hosts too" await online 3
check "and policies too" says "3 of 3" coordinator policy apply --wait "$work/first.toml"
check "and tokens" join late1 "$old_token" --endpoint 127.0.0.1:51808
stop coordinator
serve
await online 3
check "the audit holds over all that" says "none was changed" coordinator audit verify
for host in ahead1 behind1 late1; do coordinator host remove "$host" >"$work/said" 2>&1; done

# --- What it prints ----------------------------------------------------------------------------------------------------
# Compared with what is kept, but for keys, times, ports and what takes how long; KRAIT_GOLDEN=write writes it anew.
golden=$(dirname "$0")/coordinator_says.golden
say() { printf '$ krait-coordinator %s\n' "$*" && coordinator "$@" 2>&1; }
{
  say status
  say network show
  say host list
  say host show office1
  say host show nobody
  say token list | sed 's/^[^ ]*=/KEY/' | sort
  say token revoke none
  say admin list
  say policy history
  say policy diff 1
  say policy show 1
  say policy show 99
  say policy apply --dry-run "$work/second.toml"
  say audit list --most 6
  say audit verify
} | sed -E "s#$work#WORK#g; s/127\.0\.0\.1:$port/ADDRESS/g; s/[0-9]{4}-[0-9-]+ [0-9:]+Z/TIME/g; s/[A-Za-z0-9+\/]{43}=/KEY/g; s/[0-9a-f]{64}/HASH/g; s/user [0-9]+/user ID/g; s/number [A-Za-z0-9_-]{43}/number NUMBER/; s/revision [0-9]+/revision N/; s/^[0-9]+  TIME  revision/N  TIME  revision/; s/^[0-9]+ lines/N lines/" >"$work/says"
[[ ${KRAIT_GOLDEN:-} != write ]] || cp "$work/says" "$golden"
check "what commands print is what is kept" diff "$golden" "$work/says"

# --- Who goes ----------------------------------------------------------------------------------------------------------
check "web1 becomes an office" coordinator host set-identity web1 office --wait
check "db1 is told" await has_taken db1 "peers rules"
check "office1 is removed" coordinator host remove office1 --wait
check "its key is refused" await grep -q "was removed" "$work/office1-link.log"
check "its addresses rest" says "10.90.0.8" join web4 "$(coordinator token create --identity web)"
places db1
check "db1 leaves" "${place[@]}" "$bin/krait" leave --no-stop
check "and cannot twice" says "has joined no network" "${place[@]}" "$bin/krait" leave --no-stop
check "a link without a network ends so that it is not started again" sh -c '"$@"; [ $? = 1 ]' sh "${place[@]}" "$bin/krait-link"
check "db1 is off" says "has left" coordinator host list
check "the audit holds" says "none was changed" coordinator audit verify
if [[ -z $database ]]; then
  check "a backup" coordinator backup "$work/state/backup.db"
  held=$(took web1)
  check "a change that it does not hold" says "1 of 1" coordinator policy apply --wait "$work/both.toml"
  newer=$(took web1)
  stop coordinator
  check "the restore" says "network sign-anew" coordinator restore "$work/state/backup.db"
  check "serves what was saved" serve
  check "with all its hosts" says "office" coordinator host show web1
  check "a host refuses to go back" await says "this host has seen" coordinator host list
  check "and enforces what it has" test "$(took web1)" = "$newer"
  check "an administrator signs nothing over it unawares" says "to sign nothing for" coordinator policy apply "$work/both.toml"
  places web1
  check "a host that is told goes back" "${place[@]}" "$bin/krait" allow-older
  check "to what was saved" await has_taken web1 "${held#* }"
  check "the others by what an administrator signs anew" says "is signed as revision" coordinator network sign-anew
  check "from where it goes on" says "1 of 1" coordinator policy apply --wait "$work/both.toml"
  check "the audit knows" says "everything is signed anew" coordinator audit list
fi
echo "$failed failed"
((failed == 0))
