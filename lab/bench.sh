#!/bin/bash
# krait beside what people use, on real WireGuard, in one guest: throughput and CPU, and what still passes after a right was
# withdrawn. Each side has two hosts of its own; all of them exist all the while, and take turns.
#
# Prints a section in Markdown; lines that begin with "csv," are for a file of their own.
set -u
# shellcheck source=lab/measure.sh
. "$(dirname "${BASH_SOURCE[0]}")/measure.sh"
# shellcheck source=lab/steps.sh
. "$here/steps.sh"
# shellcheck source=lab/rivals.sh
. "$here/rivals.sh"

compared_with=wireguard
sides=(wireguard krait iptables nebula)
rounds=11
transfer_s=1
rules=10000
watch_s=3 # how long after a revocation's return packets are counted
idle_s=30
rest_transfer_s=5
aim=0.97
port=5432
host_number=(
  [krait-a]=1 [krait-b]=2 [wireguard-a]=3 [wireguard-b]=4 [iptables-a]=5 [iptables-b]=6 [nftables-a]=7 [nftables-b]=8
  [nebula-a]=9 [nebula-b]=10
)

# --- The hosts ---------------------------------------------------------------------------------------------------------

# put_krait_policy "HOST..." [RULE]: as many rules as the others have.
put_krait_policy() {
  local name
  {
    policy "${@:2}"
    awk -v rules="$((rules - $# + 1))" 'BEGIN {
      for (i = 0; i < 100; i++) printf "[[identity]]\nname = \"team%d\"\n\n", i
      for (i = 0; i < rules; i++)
        printf "[[rule]]\nname = \"r%d\"\naction = \"allow\"\nfrom = [\"team%d\"]\nto = [\"team%d\"]\nports = [\"tcp/%d\"]\n\n",
          i, i % 100, i / 100 % 100, 1000 + i % 4000
    }'
  } >"$lab_dir/policy.toml"
  for name in $1; do on "$name" cp "$lab_dir/policy.toml" /etc/krait/policy.toml; done
}

build_sides() {
  local name
  hosts_begin
  for name in "${!host_number[@]}"; do host_new "$name"; done
  identities=(krait-a krait-b)
  put_krait_policy "krait-a krait-b" "krait-a krait-b any"
  mesh_up krait-a krait-b || die "krait does not come up"
  for name in wireguard iptables nftables; do plain_wireguard "$name-a" "$name-b"; done
  for name in iptables-a iptables-b; do iptables_rules "$name" $rules || die "no iptables"; done
  for name in nftables-a nftables-b; do nftables_rules "$name" $port || die "no nftables"; done
  nebula_network nebula-a nebula-b
  until_true 30 on nebula-b ping -c 1 -W 2 "$(overlay nebula-a)" || die "no nebula: $(tail -n 5 "$lab_dir"/nebula-?-nebula.log)"
}

# --- Throughput ----------------------------------------------------------------------------------------------------------

throughput() {
  local file=$lab_dir/throughput round side ratio
  local -a order
  for side in "${sides[@]}"; do
    serve_transfers "$side-b" "$side-a"
  done
  for ((round = 1; round <= rounds; round++)); do
    mapfile -t order < <(printf '%s\n' "${sides[@]}" | if ((round % 2)); then cat; else tac; fi)
    for side in "${order[@]}"; do
      transfer "$side-b" "$side-a"
      echo "$round $side $mbits $cpu_ms" >>"$file"
      csv throughput "$side" "$round" "$mbits" "$cpu_ms"
    done
  done
  echo
  cat <<END
TCP through the tunnel, medians of $rounds interleaved rounds of $transfer_s s. Relative to WireGuard without a filter in the same
round: median (quartiles).

| | Mbit/s | CPU ms a MB | Mbit/s, relative | CPU, relative |
| --- | --- | --- | --- | --- |
END
  for side in "${sides[@]}"; do
    echo "| $(describe "$side") | $(column "$file" "$side" 3 | quantile 2) | $(column "$file" "$side" 4 | quantile 2) |" \
      "$(spread "$file" "$side" 3) | $(spread "$file" "$side" 4) |"
  done
  echo
  ratio=$(ratios "$file" krait 3 | quantile 2)
  aim_line "krait at least $aim of plain WireGuard's throughput" "$(awk -v r="$ratio" -v aim="$aim" 'BEGIN { print(r >= aim) }')" "$ratio"
}

describe() {
  case $1 in
    wireguard) echo "WireGuard, no filter" ;;
    krait) echo "krait on WireGuard, $rules rules" ;;
    iptables) echo "WireGuard, $rules iptables rules" ;;
    nftables) echo "nftables, established first" ;;
    nebula) echo "Nebula" ;;
    there) echo "to the one who was asked" ;;
    back) echo "to the one who asked" ;;
  esac
}

# --- Revocation ----------------------------------------------------------------------------------------------------------

# prepare SIDE HOST yes|no: writes a's right to open to b, or its absence, where HOST will read it. apply: the call itself.
prepare() {
  case $1 in
    krait) if [[ $3 == yes ]]; then put_krait_policy "$2" "krait-a krait-b any"; else put_krait_policy "$2"; fi ;;
    nebula) nebula_config "$2" "$(other "$2")" "$(if [[ $3 == yes ]]; then echo any; else echo 1; fi)" ;;
  esac
}
apply() {
  case $1 in
    krait) on "$2" krait reload ;;
    nftables) nftables_rules "$2" "$(if [[ $3 == yes ]]; then echo $port; fi)" ;;
    nebula) on "$2" kill -HUP "${nebula_pid[$2]}" ;;
  esac >/dev/null
}
other() { case $1 in *-a) echo "${1%a}b" ;; *) echo "${1%b}a" ;; esac; }

# revoke SIDE PROTOCOL there|back: a opened to b; the load goes to b (there) or to a, and is withdrawn where it arrives.
revoke() {
  local side=$1 protocol=$2 direction=$3 judge=$1-b forth=100000 back=50 state returned after last
  [[ $direction == there ]] || { judge=$1-a forth=50 back=100000; }
  state=$protocol-$direction
  serve "$side-b" "$protocol" "$(overlay "$side-b"):$port" "$state" $back
  send "$side-a" "$protocol" "$(overlay "$side-b"):$port" "$state" $forth
  traffic "$judge" wait "$state" 2000 60 || echo "$side $state does not run"
  prepare "$side" "$judge" no
  traffic "$judge" more "$state" 1000 60
  apply "$side" "$judge" no
  returned=${EPOCHREALTIME/[.,]/}000
  sleep $watch_s # what is measured is a time
  after=$(traffic "$judge" within "$state" "$returned" "$((returned + watch_s * 1000000000))")
  last=$(milliseconds "$returned" "$(count "$judge" "$state" last_ns)")
  csv revocation "$side" "$state" "$after" "$last"
  echo "| $(describe "$side") | ${protocol^^} | $(describe "$direction") | $after | $last |"
  [[ $side != krait ]] || passed_after=$((passed_after + after))
  traffic "$side-a" stop "$state"
  traffic "$side-b" stop "$state"
  prepare "$side" "$judge" yes
  apply "$side" "$judge" yes
}

revocation() {
  local side protocol direction passed_after=0
  cat <<END
Revocation at full load: records of 1000 bytes that the receiver's kernel got in the $watch_s s after the call had returned, and
when the last one came.

| | | load | records | the last, ms after the return |
| --- | --- | --- | --- | --- |
END
  for protocol in udp tcp; do
    for direction in there back; do
      for side in krait nftables nebula; do revoke "$side" "$protocol" "$direction"; done
    done
  done
  echo
  aim_line "krait lets nothing through after the call has returned, on real WireGuard" $((passed_after == 0)) "$passed_after records"
}

# --- At rest -------------------------------------------------------------------------------------------------------------

# process_of HOST: the one that keeps its tunnel.
process_of() { case $1 in krait-*) echo "${agent_pid[$1]}" ;; *) echo "${nebula_pid[$1]}" ;; esac; }
# switches and cpu_ms of a process, all its threads.
switches() { cat "/proc/$1"/task/*/status | awk '/ctxt_switches/ { sum += $2 } END { print sum }'; }
cpu_ms() { awk '{ print ($14 + $15) * 10 }' "/proc/$1/stat"; }

# during PID COMMAND...: sets its context switches and CPU milliseconds meanwhile.
during() {
  local pid=$1 switches_before cpu_before
  shift
  switches_before=$(switches "$pid") cpu_before=$(cpu_ms "$pid")
  "$@" >/dev/null 2>&1
  switched=$(($(switches "$pid") - switches_before)) used_ms=$(($(cpu_ms "$pid") - cpu_before))
}

at_rest() {
  local side pid idle_switched idle_ms
  cat <<END
What keeps the tunnel, on the receiving host: $idle_s s idle, then a TCP transfer of $rest_transfer_s s at full rate. Context switches of
all its threads, its own CPU time, resident memory after both.

| | idle: switches | idle: CPU ms | transfer: switches | transfer: CPU ms | resident kB |
| --- | --- | --- | --- | --- | --- |
END
  for side in krait nebula; do
    pid=$(process_of "$side-b")
    during "$pid" sleep $idle_s # what is measured is a time
    idle_switched=$switched idle_ms=$used_ms
    during "$pid" on "$side-a" iperf3 -c "$(overlay "$side-b")" -p "$(transfer_port "$side-a")" -t $rest_transfer_s
    csv rest "$side" "$idle_switched" "$idle_ms" "$switched" "$used_ms" "$(status_kib "$pid" VmRSS)"
    echo "| $(describe "$side") | $idle_switched | $idle_ms | $switched | $used_ms | $(status_kib "$pid" VmRSS) |"
  done
  echo
}

build_sides
cat <<END
## On real WireGuard, in a guest

Linux $(uname -r), $(nproc) CPU, krait attached by $(attachment krait-a), Nebula $(nebula -version 2>&1 | grep -o '[0-9].*').
$(if [[ ${LAB_ROLE:-} == icount ]]; then echo "Emulated: the guest's time is the number of its instructions, 4 ns each."; fi)

END
throughput
at_rest
revocation
