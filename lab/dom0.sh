# shellcheck shell=bash
# What a scenario of tests/xen begins with: domain 0 of Xen, with none of Xen's own programs.

# shellcheck source=lab/steps.sh
. /lab/steps.sh

store_dir=/run/krata-store
store_socket=$store_dir/socket
store_pid=
facts_before=

# host_begin: what a host has before any zone, and krata-store.
host_begin() {
  [ -e /proc/xen/capabilities ] || mount -t xenfs xenfs /proc/xen
  mkdir -p "$store_dir"
  : >"$store_dir/log"
  trap store_kill EXIT # another scenario may follow
  store_begin
  facts_before=$(host_facts)
}

# store_begin: starts krata-store, which goes on where another has stopped, and waits until it serves.
store_begin() {
  krata-store --socket "$store_socket" --state "$store_dir/state" --user krata-store 2>>"$store_dir/log" &
  store_pid=$!
  until krata-lab-zone store "$store_socket" read / >/dev/null 2>&1; do
    kill -0 "$store_pid" || return 1
    sleep 0.02
  done
}

store_kill() {
  kill -KILL "$store_pid"
  wait "$store_pid" 2>/dev/null
}

# store OPERATION ARGUMENT...: see krata-lab-zone store --help.
store() { krata-lab-zone store "$store_socket" "$@"; }

# host_facts: domains, the hypervisor's free memory, and how many event channels domain 0 has.
host_facts() { krata-lab-zone facts; }

# zone_run LOG OPTION...: of Linux, unless it is told otherwise, and to its end; what it says goes to LOG, and where it did not end well,
# the last of that is shown.
zone_run() {
  local log=$1 status=0
  local -a kernel=(--kernel /zone/vmlinuz --initramfs /zone/initramfs)
  shift
  [[ " $* " != *" --kernel "* ]] || kernel=()
  krata-lab-zone run --store "$store_socket" "${kernel[@]}" "$@" >"$log" 2>&1 || status=$?
  ((status == 0)) || tail -n 8 "$log" | sed 's/^/    zone: /'
  return "$status"
}

# host_end: nothing of any zone may be left. A page, a grant or a port of one that somebody still has would keep its domain, dying; tables
# of domain 0's that have grown in the hypervisor stay, so the memory may differ by a few pages.
host_end() {
  local left
  for ((left = 100; left > 0; --left)); do
    ! nothing_is_left || break
    sleep 0.1
  done
  check "nothing of a zone is left" "$(host_facts | tr '\n' ' ')before: $(tr '\n' ' ' <<<"$facts_before")" nothing_is_left
  check "krata-store is still there" "$(store_memory) KiB" kill -0 "$store_pid"
}

nothing_is_left() {
  local now
  now=$(host_facts)
  [[ $(grep -v '^free' <<<"$now") == "$(grep -v '^free' <<<"$facts_before")" ]] &&
    (($(free_kib <<<"$facts_before") - $(free_kib <<<"$now") < 128))
}

free_kib() { sed -n 's/^free KiB //p'; }

store_memory() { status_kib "$store_pid" RssAnon; }
