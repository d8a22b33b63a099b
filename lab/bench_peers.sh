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

# since MICROSECONDS: sets ms.
since() { ms=$(((${EPOCHREALTIME/[.,]/} - $1) / 1000)); }
silently() { "$@" >/dev/null; }

# median_ms COMMAND...
median_ms() {
  local begin round
  for ((round = 1; round <= rounds; round++)); do
    begin=${EPOCHREALTIME/[.,]/}
    silently "$@" || return 1
    since "$begin"
    echo "$ms"
  done | sort -n | sed -n "$((rounds / 2 + 1))p"
}

# row NAME TEXT MILLISECONDS
row() {
  csv peers "$where" "$1" "$3"
  echo "| $2 | $3 |" >>"$lab_dir/table"
}

guard_mode() {
  agent_start web --iface eth0
  agent_ready web || die "the agent does not come up in guard mode"
  silently on web krait reload || die "krait reload fails in guard mode"
  row guard "\`krait reload\` that finds nothing to do, in guard mode" "$(median_ms on web krait reload)"
  silently on web krait down || die "krait down fails in guard mode"
}

wireguard() {
  local before begin line nothing
  begin=${EPOCHREALTIME/[.,]/}
  agent_start web
  # By what the shell can do itself: another process would take its part of the CPU.
  mkfifo "$lab_dir/nothing"
  exec {nothing}<>"$lab_dir/nothing"
  until [[ -e $lab_dir/web-agent.log ]] && read -r line <"$lab_dir/web-agent.log" && [[ $line == *"runs wg0"* ]]; do
    since "$begin"
    ((ms < 120000)) || die "the agent does not come up"
    read -r -t 0.05 -u "$nothing" || true
  done
  since "$begin"
  row load "10,000 peers, until the agent says that they are in force" "$ms"
  on web sh -c 'wg showconf wg0 | grep -v ListenPort >/run/peers.conf; ip link add wg1 type wireguard; ip link set wg1 up'
  begin=${EPOCHREALTIME/[.,]/}
  on web wg setconf wg1 /run/peers.conf
  since "$begin"
  row setconf "\`wg setconf\` of the same peers, without routes" "$ms"
  on web ip link del wg1
  silently on web krait reload || die "krait reload fails"
  before=$(agent_cpu_ms web)
  row reload "\`krait reload\` that finds nothing to do" "$(median_ms on web krait reload)"
  row agent "of it the agent's CPU" $((($(agent_cpu_ms web) - before) / rounds))
}

web_with_peers 10000
if on web ip link add probe type wireguard 2>/dev/null; then
  on web ip link del probe
  wireguard
  silently on web krait down || die "krait down fails"
fi
guard_mode
row start "\`krait version\`, which only starts" "$(median_ms on web krait version)"
row check "\`krait check\` of the same file" "$(rounds=3 median_ms on web krait check)"
cat <<END
## 10,000 peers, $where

Linux $(uname -r), $(nproc) CPU. Medians of $rounds, the load once.$note

| what | ms |
| --- | --- |
END
cat "$lab_dir/table"
echo
