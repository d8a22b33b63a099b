# shellcheck shell=bash disable=SC2154,SC2034
# What the lab's benchmarks begin and measure with: hosts, transfers, medians of ratios, and the lines that they print.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lab/hosts.sh
. "$here/hosts.sh"
# shellcheck source=lab/steps.sh
. "$here/steps.sh"
# shellcheck source=lab/mesh.sh
. "$here/mesh.sh"

csv() { local IFS=,; echo "csv,$*"; }
die() { echo "$*" && exit 1; }

busy_ticks() { awk '$1 == "cpu" { print $2 + $3 + $4 + $7 + $8 }' /proc/stat; }

# overlay HOST: its address in the tunnel.
overlay() { echo "10.90.0.${host_number[$1]}"; }

# serve_transfers SERVER CLIENT...: one iperf3 for each; then each client has once been served.
serve_transfers() {
  local server=$1 client
  shift
  for client in "$@"; do
    start "$server" "$lab_dir/$client-iperf.log" iperf3 -s -p "$(transfer_port "$client")" >/dev/null
    until_true 10 on "$client" iperf3 -c "$(overlay "$server")" -p "$(transfer_port "$client")" -t 1
  done
}
transfer_port() { echo $((5200 + host_number[$1])); }

# transfer SERVER CLIENT...: over TCP, all clients at a time. Sets mbits, and cpu_ms, the guest's busy time for each megabyte.
transfer() {
  local server=$1 client before bytes
  local -a running=() results
  shift
  before=$(busy_ticks)
  for client in "$@"; do
    on "$client" iperf3 -c "$(overlay "$server")" -p "$(transfer_port "$client")" -t "$transfer_s" -J >"$lab_dir/$client-transfer" &
    running+=($!)
  done
  wait "${running[@]}"
  results=("${@/#/$lab_dir/}")
  bytes=$(jq -s 'map(.end.sum_received.bytes) | add' "${results[@]/%/-transfer}")
  mbits=$(jq -s 'map(.end.sum_received.bits_per_second) | add / 1e6 * 100 | round / 100' "${results[@]/%/-transfer}")
  cpu_ms=$(awk -v ticks="$(($(busy_ticks) - before))" -v bytes="$bytes" 'BEGIN { printf "%.2f", ticks * 10 / (bytes / 1e6) }')
}

# column FILE SIDE FIELD: its values; field 3: Mbit/s, 4: CPU.
column() { awk -v side="$2" -v field="$3" '$2 == side { print $field }' "$1"; }
# quantile N: the value below which N quarters of the values are.
quantile() { sort -n | awk -v n="$1" '{ value[NR] = $1 } END { print value[int((NR - 1) * n / 4 + 0.5) + 1] }'; }
# ratios FILE SIDE FIELD: to the side $compared_with, round by round.
ratios() {
  paste <(column "$1" "$2" "$3") <(column "$1" "$compared_with" "$3") | awk '{ printf "%.3f\n", $1 / $2 }'
}

# aim_line WHAT 1|0 MEASURED
aim_line() { printf -- '- aim: %s: **%s** (%s)\n\n' "$1" "$(if (($2)); then echo met; else echo MISSED; fi)" "$3"; }

# spread FILE SIDE FIELD: the ratios' median and quartiles.
spread() {
  ratios "$@" >"$1-ratios"
  echo "$(quantile 2 <"$1-ratios") ($(quantile 1 <"$1-ratios") to $(quantile 3 <"$1-ratios"))"
}
