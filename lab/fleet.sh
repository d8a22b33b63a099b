# shellcheck shell=bash disable=SC2154,SC2034
# A coordinator, and hosts that join it with tokens. Needs hosts.sh, steps.sh and mesh.sh.

export KRAIT_ADMIN_KEY=/var/lib/krait/admin.key KRAIT_COORDINATOR_STATE=/var/lib/krait/coordinator KRAIT_LINK_STATE=/var/lib/krait/link
coordinator_host=office
coordinator_pid=
declare -A link_pid=()

coordinator() { on "$coordinator_host" krait-coordinator "$@"; }
coordinator_address() { echo "192.0.2.${host_number[$coordinator_host]}:7170"; }

# network_new: that of every scenario.
network_new() { coordinator init --name lab --prefix 10.90.0.0/24 --prefix fd90::/64 --address "$(coordinator_address)"; }

coordinator_start() {
  coordinator_pid=$(start "$coordinator_host" "$lab_dir/coordinator.log" krait-coordinator serve --listen "$(coordinator_address)" --metrics "")
  until_true 20 coordinator status
}

link_start() { link_pid[$1]=$(start "$1" "$lab_dir/$1-link.log" krait-link); }

# joins HOST IDENTITY: with a new token; then agent and link.
joins() {
  local token
  token=$(coordinator token create --identity "$2") || return 1
  if ! on "$1" krait join "$token" --name "$1" --no-start >"$lab_dir/$1-join.log" 2>&1; then
    cat "$lab_dir/$1-join.log"
    return 1
  fi
  agent_start "$1"
  agent_ready "$1" || { agent_log "$1" && return 1; }
  link_start "$1"
}

# online NUMBER: so many hosts are. up_to_date NUMBER: so many are, and enforce what there is now.
online() { [[ $(coordinator status -o json | member online) == "$1" ]]; }
up_to_date() {
  local now
  now=$(coordinator status -o json | member revision)
  [[ $(coordinator host list | grep -c "online, enforces revision $now\$") == "$1" ]]
}

# address_of HOST: its IPv4 address in the mesh, as it says.
address_of() { on "$1" ip -brief -4 address show wg0 | awk '{ sub("/.*", "", $3); print $3 }'; }

# apply RULE...: one `policy apply --wait`; sets called_ns and returned_ns around it.
apply() {
  local status=0
  put_policy "$coordinator_host" "$@"
  called_ns=${EPOCHREALTIME/[.,]/}000
  coordinator policy apply --wait --timeout 60s /etc/krait/policy.toml >"$lab_dir/apply.log" 2>&1 || status=$?
  returned_ns=${EPOCHREALTIME/[.,]/}000
  ((status == 0)) || cat "$lab_dir/apply.log"
  return "$status"
}
