# shellcheck shell=bash disable=SC2154
# What the tests of coordinators and hosts as processes of this machine begin with. Needs: bin, the folder of the programs.

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
await() { # await COMMAND...: twenty seconds at most
  local end=$((SECONDS + 20))
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.02
  done
}

# free_port: sets `port`; below those that the kernel gives away.
free_port() {
  port=$((20000 + RANDOM % 12000))
  until ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
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
took() { grep -v confirmed "$work/$1/took" 2>/dev/null | tail -n 1; } # what the host's agent took last
has_taken() { [[ $(took "$1") == *"$2"* ]]; }
policy() { # policy FILE RULE...: "FROM TO PORT"
  local file=$1 rule from to ports
  shift
  for name in web db office; do printf '[[identity]]\nname = "%s"\n' "$name"; done >"$file"
  for rule in "$@"; do
    read -r from to ports <<<"$rule"
    printf '[[rule]]\nname = "%s"\naction = "allow"\nfrom = ["%s"]\nto = ["%s"]\nports = ["%s"]\n' "$rule" "$from" "$to" "$ports" >>"$file"
  done
}
