#!/bin/bash
# 10,000 peers: how long until they are in force, and a reload that finds nothing to do. Beside them what of it is WireGuard's own work
# and what is starting a program, and a reload in guard mode. Where the kernel has no WireGuard only what works without it, to be
# compared with the same in a guest.
#
# Prints a section in Markdown; lines that begin with "csv," are for a file of their own.
set -u
# shellcheck source=lab/measure.sh
. "$(dirname "${BASH_SOURCE[0]}")/measure.sh"

rounds=21
where=${LAB_ROLE:-here}
note=
[[ $where != icount-1ns ]] || note=" Emulated: the guest's time is the number of its instructions, 1 ns each."
host_number=([web]=1)
identities=(web db)

# since MICROSECONDS: sets us.
since() { us=$((${EPOCHREALTIME/[.,]/} - $1)); }
silently() { "$@" >/dev/null; }
# milliseconds MICROSECONDS
milliseconds() { printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100)); }

# median_ms COMMAND...: on web, timed by a shell that is already there. Sets ms.
median_ms() {
  local times=$lab_dir/times
  # shellcheck disable=SC2016
  on web bash -c "$(declare -f since silently)"'
    for ((round = 1; round <= $0; round++)); do
      begin=${EPOCHREALTIME/[.,]/}
      silently "$@" || exit 1
      since "$begin"
      echo "$us"
    done' "$rounds" "$@" >"$times" || die "$* fails"
  ms=$(milliseconds "$(sort -n "$times" | sed -n "$((rounds / 2 + 1))p")")
}

# row NAME TEXT MILLISECONDS
row() {
  csv peers "$where" "$1" "$3"
  echo "| $2 | $3 |" >>"$lab_dir/table"
}

# reloads NAME TEXT: that find nothing to do, by the program and by a client that goes on asking.
reloads() {
  local before
  silently on web krait reload || die "krait reload fails"
  median_ms krait reload
  row "reload$1" "\`krait reload\` that finds nothing to do$2" "$ms"
  before=$(agent_cpu_ms web)
  ms=$(on web bench_reload "$rounds") || die "bench_reload fails"
  row "answer$1" "the same without a program to start: from the request to the agent's answer" "$ms"
  row "agent$1" "the agent's CPU for that" $((($(agent_cpu_ms web) - before) / rounds))
}

guard_mode() {
  agent_start web --iface eth0
  agent_ready web || die "the agent does not come up in guard mode"
  reloads -guard ", in guard mode"
  silently on web krait down || die "krait down fails in guard mode"
}

wireguard() {
  local begin line nothing
  begin=${EPOCHREALTIME/[.,]/}
  agent_start web
  # By what the shell can do itself: another process would take its part of the CPU.
  mkfifo "$lab_dir/nothing"
  exec {nothing}<>"$lab_dir/nothing"
  until [[ -e $lab_dir/web-agent.log ]] && read -r line <"$lab_dir/web-agent.log" && [[ $line == *"runs wg0"* ]]; do
    since "$begin"
    ((us < 120000000)) || die "the agent does not come up"
    read -r -t 0.05 -u "$nothing" || true
  done
  since "$begin"
  row load "10,000 peers, until the agent says that they are in force" "$(milliseconds "$us")"
  on web sh -c 'wg showconf wg0 | grep -v ListenPort >/run/peers.conf; ip link add wg1 type wireguard; ip link set wg1 up'
  begin=${EPOCHREALTIME/[.,]/}
  on web wg setconf wg1 /run/peers.conf
  since "$begin"
  row setconf "\`wg setconf\` of the same peers, without routes" "$(milliseconds "$us")"
  on web ip link del wg1
  reloads "" ""
}

web_with_peers 10000
if on web ip link add probe type wireguard 2>/dev/null; then
  on web ip link del probe
  wireguard
  silently on web krait down || die "krait down fails"
fi
guard_mode
median_ms krait version
row start "\`krait version\`, which only starts" "$ms"
rounds=3 median_ms krait check
row check "\`krait check\` of the same file" "$ms"
cat <<END
## 10,000 peers, $where

Linux $(uname -r), $(nproc) CPU. Medians of $rounds, the load once.$note

| what | ms |
| --- | --- |
END
cat "$lab_dir/table"
echo
