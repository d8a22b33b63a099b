# shellcheck shell=bash disable=SC2154,SC2034
# README.md's guide to two hosts with a coordinator, word for word, from the packages; then a right withdrawn in the middle of a
# transfer, a reboot without the coordinator, two hosts more (four.sh), a host removed, the packages too.

declare -A identity_of=([web]=web [db]=db)

packages_of_both() {
  local name
  on web rm -r /etc/systemd/system/krait-agent.service.d # the key that was a credential went with the package
  on web systemctl daemon-reload
  for name in "${both[@]}"; do
    machine_state "$name" >"$lab_dir/$name-before"
    on "$name" hostname "${name}1"
  done
  guided db 1
  guided web 1 web1
  guided web 2
  put_file web /root/policy.toml "$(guide_block 3)"
  guided web 4
}

# joins_by_guide HOST: with a token of its own.
joins_by_guide() {
  local create join token
  create=$(guide_commands 5 | sed -n 1p)
  join=$(guide_commands 5 | sed -n 2p)
  token=$(on_shell web "${create%web}${identity_of[$1]}" | tail -n 1)
  check "$1: $join" "$(on_shell "$1" "${join/TOKEN/$token}" 2>&1 | tail -n 3)" \
    services_are_active "$1"
}
services_are_active() { on "$1" systemctl --quiet is-active krait-agent && on "$1" systemctl --quiet is-active krait-link; }

# online NUMBER: so many hosts are.
online() { [[ $(on_shell web "krait-coordinator status -o json" | member online) == "$1" ]]; }

right_is_withdrawn_everywhere() {
  local last called_ns returned_ns
  serve db tcp 10.90.0.2:5432 joined "$rate"
  send web tcp 10.90.0.2:5432 joined "$rate"
  check "web transfers to db" "" traffic db wait joined 60 60
  put_file web /root/policy.toml "$(guide_block 3 | sed '/^\[\[rule\]\]/,$d')"
  called_ns=${EPOCHREALTIME/[.,]/}000
  guided web 7
  returned_ns=${EPOCHREALTIME/[.,]/}000
  last=$(count web joined last_ns)
  check "nothing has passed since" \
    "web's last packet $(milliseconds "$called_ns" "$last") ms after the command began, which took $(milliseconds "$called_ns" "$returned_ns") ms" \
    test "$last" -le "$returned_ns"
  put_file web /root/policy.toml "$(guide_block 3)"
  guided web 7
  check "put back, the open connection goes on" "" traffic db more joined 20 300
}

coordinator_is_away() {
  local boot
  on web systemctl stop krait-coordinator
  check "it goes on without the coordinator" "" traffic db more joined 20 60
  traffic web stop joined
  boot=$(on db cat /proc/sys/kernel/random/boot_id)
  on db systemctl --no-block reboot
  check "db reboots" "" until_true 180 rebooted "$boot"
  check "its agent enforces what it had" "" until_true 60 active db
  serve db tcp 10.90.0.2:5432 alone "$rate"
  send web tcp 10.90.0.2:5432 alone "$rate"
  check "web transfers to it again" "" traffic db wait alone 60 60
  on web systemctl start krait-coordinator
  check "the coordinator comes back, and both hosts to it" "" until_true 90 online 2
}

host_is_removed() {
  check "db is removed" "" on_shell web "krait-coordinator host remove db1 --wait"
  check "nothing passes any more" "" not traffic db more alone 1 5
  traffic web stop alone
  traffic db stop alone
}

host_leaves() {
  check "web: krait leave" "$(on web krait leave 2>&1 </dev/null)" not on web ip link show wg0
  check "its services are off" "" not services_are_active web
}

packages_are_purged() {
  local name
  for name in "${both[@]}"; do
    check "$name: apt-get purge krait krait-coordinator" "$(on "$name" apt-get -qq purge krait krait-coordinator 2>&1 | grep '^E:')" \
      not on "$name" dpkg -s krait
    machine_state "$name" >"$lab_dir/$name-after"
    check "$name is as it was before" "$(diff "$lab_dir/$name-before" "$lab_dir/$name-after" | head -n 10)" \
      diff "$lab_dir/$name-before" "$lab_dir/$name-after"
    check "$name keeps nothing" "$(on "$name" sh -c 'ls -d /etc/krait* /var/lib/krait* /run/krait* 2>/dev/null')" \
      not on "$name" sh -c 'ls -d /etc/krait* /var/lib/krait* /run/krait* 2>/dev/null | grep -q .'
  done
}

by_coordinator() {
  guide_title="## Two hosts of your own in five minutes"
  packages_of_both
  joins_by_guide web
  joins_by_guide db
  check "both are online" "" until_true 60 online 2
  if ((steps_failed)); then show_journals; return; fi
  guided db 6
  guided web 6 web1
  right_is_withdrawn_everywhere
  coordinator_is_away
  four_hosts
  host_is_removed
  host_leaves
  show_journals
  packages_are_purged
}
