# shellcheck shell=bash disable=SC2154,SC2034
# A Krait mesh on the hosts of hosts.sh. Overlay addresses: 10.90.0.N and fd90::N on wg0; identity = the host's name.

declare -A public_key=() agent_pid=()
identities=(web db office)  # of the policy
declare -A host_routes=()   # "PREFIX IDENTITY ..." behind a host; under HOST/PEER: behind PEER as HOST alone sees it
declare -A host_peers=()    # a host's peers, where they are not all others

# mesh_up HOST...: keys, krait.toml and the agents; prints the log of an agent that does not come up. Every host needs a
# policy first (put_policy).
mesh_up() {
  local name status=0
  for name in "$@"; do
    public_key[$name]=$(on "$name" krait keygen /var/lib/krait/host.key)
  done
  for name in "$@"; do
    put_file "$name" /etc/krait/krait.toml "$(mesh_config "$name" "$@")"
    agent_start "$name"
  done
  for name in "$@"; do
    agent_ready "$name" || { agent_log "$name" && status=1; }
  done
  return "$status"
}

# routes_line "PREFIX IDENTITY ...": the key for krait.toml; nothing without prefixes.
routes_line() {
  local -a word tables=()
  read -ra word <<<"$1"
  while ((${#word[@]})); do
    tables+=("{ prefix = \"${word[0]}\", identity = \"${word[1]}\" }")
    word=("${word[@]:2}")
  done
  local IFS=,
  ((${#tables[@]} == 0)) || echo "routes = [${tables[*]}]"
}

# printed: cat, without a process.
printed() {
  local text
  IFS= read -rd '' text || printf '%s' "$text"
}

# mesh_config HOST ALL-HOSTS...: the text of HOST's krait.toml.
mesh_config() {
  local name=$1 number=${host_number[$1]} peer n
  shift
  printed <<END
[host]
name = "$name"
identity = "$name"
addresses = ["10.90.0.$number", "fd90::$number"]
private_key_file = "/var/lib/krait/host.key"
listen_port = 51820
interface = "wg0"
policy = "/etc/krait/policy.toml"
$(routes_line "${host_routes[$name]:-}")
END
  for peer in ${host_peers[$name]:-"$@"}; do
    [[ $peer != "$name" ]] || continue
    n=${host_number[$peer]}
    printed <<END

[[peer]]
name = "$peer"
identity = "$peer"
public_key = "${public_key[$peer]}"
endpoint = "${underlay_prefix:-192.0.2.}$n${underlay_suffix:-}:51820"
addresses = ["10.90.0.$n", "fd90::$n"]
$(routes_line "${host_routes[$name/$peer]:-${host_routes[$peer]:-}}")
END
  done
}

# policy RULE...: the text of a policy.toml. RULE is "FROM TO PORT...", or "deny FROM TO PORT...".
policy() {
  local name rule word action ports
  for name in "${identities[@]}"; do
    printf '[[identity]]\nname = "%s"\n\n' "$name"
  done
  for rule in "$@"; do
    read -ra word <<<"$rule"
    action=allow
    [[ ${word[0]} != deny ]] || { action=deny && word=("${word[@]:1}"); }
    printf -v ports '"%s", ' "${word[@]:2}"
    printf '[[rule]]\nname = "%s"\naction = "%s"\nfrom = ["%s"]\nto = ["%s"]\nports = [%s]\n\n' \
      "$rule" "$action" "${word[0]}" "${word[1]}" "${ports%, }"
  done
}

# put_policy "HOST..." RULE...: writes the file, tells nobody.
put_policy() {
  local name text
  text=$(policy "${@:2}")
  for name in $1; do
    put_file "$name" /etc/krait/policy.toml "$text"
  done
}

# many_peers NUMBER: a krait.toml with as many peers, each with an endpoint of its own. Any 32 bytes are a public key.
many_peers() {
  awk -v peers="$1" 'BEGIN {
    print "[host]\nname = \"web\"\nidentity = \"web\"\naddresses = [\"10.90.0.1\"]\nprivate_key_file = \"/var/lib/krait/host.key\""
    for (i = 0; i < peers; i++) {
      key = ""
      for (n = i; length(key) < 6; n = int(n / 26)) key = key sprintf("%c", 97 + n % 26)
      printf "\n[[peer]]\nname = \"peer%d\"\nidentity = \"db\"\npublic_key = \"%sAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n", i, key
      printf "endpoint = \"198.%d.%d.%d:51820\"\naddresses = [\"10.91.%d.%d\"]\n", 18 + int(i / 65536), int(i / 256) % 256, i % 256, int(i / 256), i % 256
    }
  }'
}

# web_with_peers NUMBER: the host web, configured with as many peers; its agent is not started.
web_with_peers() {
  hosts_begin
  host_new web
  on web ip route add default via 192.0.2.254
  put_policy web "web db any"
  on web krait keygen /var/lib/krait/host.key >/dev/null
  many_peers "$1" >"$lab_dir/krait.toml"
  on web cp "$lab_dir/krait.toml" /etc/krait/krait.toml
}

agent_start() {
  agent_pid[$1]=$(start "$1" "$lab_dir/$1-agent.log" krait-agent --config /etc/krait/krait.toml "${@:2}")
}

# agent_cpu_ms HOST: its agent's, the kernel's part included.
agent_cpu_ms() {
  local -a stat
  read -ra stat <"/proc/${agent_pid[$1]}/stat"
  echo $(((stat[13] + stat[14]) * 10))
}

# Looks for the socket first, which costs no process.
agent_ready() { until_true 20 answers "$1"; }
answers() {
  local socket=/run/krait/krait.sock
  [[ ! ${host_holder[$1]} =~ ^[0-9]+$ || -S /proc/${host_holder[$1]}/root$socket ]] && on "$1" krait status -o json
}

agent_log() { beside "$1" cat "$lab_dir/$1-agent.log"; }

# metrics HOST: the metrics page as of now.
metrics() { on "$1" krait-lab-metrics; }

# metric HOST NAME [LABEL=VALUE...]: the sum of the lines of that name that carry these labels.
metric() { on "$1" krait-lab-metrics "${@:2}"; }

# drops HOST REASON [DIRECTION]
drops() { metric "$1" krait_drops_total "reason=$2" ${3:+"direction=$3"}; }

# allowed HOST SOURCE DESTINATION DIRECTION: packets let through.
allowed() { metric "$1" krait_packets_total "source=$2" "destination=$3" "direction=$4" verdict=allow; }

# rose HOST REASON DIRECTION BEFORE [LEAST]: the drop counter has risen by LEAST (1).
rose() { (($(drops "$1" "$2" "$3") >= $4 + ${5:-1})); }
await_drops() { until_true 20 rose "$@"; }

# not COMMAND...: for checks.
not() { ! "$@"; }

# denied TEXT HOST REASON DIRECTION COMMAND...: the command fails and the counter moves.
denied() {
  local text=$1 host=$2 reason=$3 direction=$4 before after
  shift 4
  before=$(drops "$host" "$reason" "$direction")
  check "$text: nothing passes" "" not "$@"
  after=$(drops "$host" "$reason" "$direction")
  check "$text: counted" "$host $reason $direction: $before -> $after" test "$after" -gt "$before"
}

# attachment HOST: tcx, clsact or none.
attachment() { on "$1" krait status -o json | member attachment; }

# shook_hands HOST HOST...: the first has a session with each of the others.
shook_hands() {
  local status peer
  status=$(on "$1" krait status -o json)
  shift
  for peer in "$@"; do
    [[ $(krait-lab-json "peers[name=$peer].last_handshake_s" <<<"$status") =~ ^[1-9] ]] || return 1
  done
}

# reload HOST...: sets called_ns just before the first `krait reload` and returned_ns just after the last.
reload() {
  local name status=0
  called_ns=${EPOCHREALTIME/[.,]/}000
  for name in "$@"; do
    on "$name" krait reload >"$lab_dir/$name-reload.log" 2>&1 || status=$?
  done
  returned_ns=${EPOCHREALTIME/[.,]/}000
  return "$status"
}

# traffic HOST COMMAND STATE ...: krait-lab-traffic there; states are named, not pathed.
traffic() { beside "$1" krait-lab-traffic "$2" "$lab_dir/$1-$3" "${@:4}"; }

# serve HOST tcp|udp ADDRESS:PORT STATE [RATE] and send: in the background; serve returns when it listens.
serve() {
  start "$1" "$lab_dir/$1-$4.log" krait-lab-traffic serve "$2" "$3" "$lab_dir/$1-$4" "${@:5}" >/dev/null
  traffic "$1" ready "$4" 10
}
send() {
  start "$1" "$lab_dir/$1-$4.log" krait-lab-traffic send "$2" "$3" "$lab_dir/$1-$4" "${@:5}" >/dev/null
}

# count HOST STATE FIELD...: of a state file.
count() { traffic "$1" show "${@:2}"; }

# member NAME: of the JSON object on standard input, a number or a plain string that is in it once, without a program.
member() {
  local object
  read -rd '' object
  [[ $object =~ \"$1\":\ ?\"?([^\",}]*) ]] && printf '%s\n' "${BASH_REMATCH[1]}"
}

# milliseconds FROM TO: of two times in nanoseconds, one decimal.
milliseconds() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%.1f", (to - from) / 1e6 }'; }

# opens HOST ADDRESS:PORT STATE: a TCP connection carries data within three seconds.
opens() {
  local status=0
  send "$1" tcp "$2" "$3"
  traffic "$1" wait "$3" 1 3 || status=1
  traffic "$1" stop "$3"
  return "$status"
}

# settle STATE: pauses the UDP stream between web and db; true when not one datagram of it is missing.
settle() {
  traffic web pause "$1" && traffic db pause "$1" && until_true 10 nothing_missing "$1"
}
nothing_missing() { [[ $(count web "$1" sent received) == "$(count db "$1" received sent)" ]]; }
