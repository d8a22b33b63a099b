#!/bin/bash
# Whether WireGuard's threaded NAPI helps: one host that receives from one peer, then from four at a time, with and without, in turns.
#
# Prints a section in Markdown; lines that begin with "csv," are for a file of their own. The guest needs more than one CPU.
set -u
# shellcheck source=lab/measure.sh
. "$(dirname "${BASH_SOURCE[0]}")/measure.sh"

rounds=11
transfer_s=2
compared_with=softirq
host_number=([server]=1 [one]=2 [two]=3 [three]=4 [four]=5)
clients=(one two three four)
identities=(server "${clients[@]}")

# receive_in softirq|threaded
receive_in() {
  local value=0
  [[ $1 == softirq ]] || value=1
  # shellcheck disable=SC2016
  on server sh -c 'echo "$1" >/sys/class/net/wg0/threaded' threaded $value
}

# rounds_from CLIENT...: a line of the table.
rounds_from() {
  local file=$lab_dir/from-$# round side
  local -a order
  for ((round = 1; round <= rounds; round++)); do
    order=(softirq threaded)
    ((round % 2)) || order=(threaded softirq)
    for side in "${order[@]}"; do
      receive_in "$side"
      transfer server "$@"
      echo "$round $side $mbits $cpu_ms" >>"$file"
      csv napi "$side" $# "$round" "$mbits" "$cpu_ms"
    done
  done
  echo "| $# | $(column "$file" softirq 3 | quantile 2) | $(column "$file" threaded 3 | quantile 2) |" \
    "$(spread "$file" threaded 3) | $(spread "$file" threaded 4) |"
}

hosts_begin
for name in server "${clients[@]}"; do host_new "$name"; done
put_policy "server ${clients[*]}" "${clients[@]/%/ server any}"
mesh_up server "${clients[@]}" || die "krait does not come up"
serve_transfers server "${clients[@]}"
cat <<END
## Threaded NAPI

Linux $(uname -r), $(nproc) CPUs. TCP to one host, medians of $rounds interleaved rounds of $transfer_s s; relative: threaded to softirq in
the same round, median (quartiles).

| peers that send | softirq, Mbit/s | threaded, Mbit/s | Mbit/s, relative | CPU, relative |
| --- | --- | --- | --- | --- |
END
rounds_from one
rounds_from "${clients[@]}"
echo
