# shellcheck shell=bash disable=SC2154,SC2034
# What the lab's benchmarks begin and measure with: hosts and transfers.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lab/figures.sh
. "$here/figures.sh"
# shellcheck source=lab/hosts.sh
. "$here/hosts.sh"
# shellcheck source=lab/steps.sh
. "$here/steps.sh"
# shellcheck source=lab/mesh.sh
. "$here/mesh.sh"

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
