# shellcheck shell=bash disable=SC2154,SC2034
# Four hosts and their coordinator: to the guide's two, which have joined, come two more, from the packages as well. One command reaches all
# of them; the coordinator goes and comes, and a host starts anew without it.

identity_of+=([office]=office [edge]=edge)

# fleet_policy [RULE]: the guide's, with the identities of four, and perhaps a rule for all.
fleet_policy() {
  guide_block 3
  printf '[[identity]]\nname = "%s"\n' office edge
  [[ -z ${1:-} ]] || printf '[[rule]]\nname = "%s"\naction = "allow"\nfrom = ["web", "office"]\nto = ["office", "edge"]\nports = ["tcp/5432"]\n' "$1"
}
# fleet_applies TEXT POLICY: one `policy apply --wait`.
fleet_applies() {
  local status=0
  put_file web /root/fleet.toml "$2"
  called_ns=${EPOCHREALTIME/[.,]/}000
  on_shell web "krait policy apply --wait --timeout 60s fleet.toml" >"$lab_dir/said" 2>&1 || status=$?
  returned_ns=${EPOCHREALTIME/[.,]/}000
  check "$1" "$(tail -n 1 "$lab_dir/said")" test "$status" = 0
}

package_installed() {
  put_file "$1" /etc/apt/apt.conf.d/lab 'APT::Get::Assume-Yes "true";'
  on "$1" bash -c 'apt-get -qq update && apt-get -q install krait' >"$lab_dir/$1-install" 2>&1
}

# From web to office, and from office to edge.
fleet_transfers() {
  serve office tcp 10.90.0.3:5432 "$1" "$rate"
  serve edge tcp 10.90.0.4:5432 "$1" "$rate"
  send web tcp 10.90.0.3:5432 "$1" "$rate"
  send office tcp 10.90.0.4:5432 "$1" "$rate"
}
fleet_more() { traffic web more "$1" 20 300 && traffic edge more "$1" 20 300; }

two_more_join() {
  local name
  fleet_applies "the policy knows two identities more" "$(fleet_policy)"
  for name in office edge; do
    check "$name is a machine, too" "" container_new "$name"
    package_installed "$name" &
  done
  wait
  for name in office edge; do joins_by_guide "$name"; done
  check "four hosts are online" "" until_true 60 online 4
}

revoked_from_all() {
  local last
  fleet_applies "one command gives all of them a right" "$(fleet_policy fleet)"
  fleet_transfers fleet
  check "web transfers to office" "" traffic office wait fleet 60 120
  check "and office to edge" "" traffic edge wait fleet 60 120
  fleet_applies "one command takes it away from all of them, in the middle of that" "$(fleet_policy)"
  last=$(count web fleet last_ns)
  check "nothing has passed since" \
    "web's last packet $(milliseconds "$called_ns" "$last") ms after the command began, which took $(milliseconds "$called_ns" "$returned_ns") ms" \
    test "$last" -le "$returned_ns"
  last=$(count edge fleet received)
  check "nor between the others" "" not traffic edge more fleet 1 3
  check "so it has stayed" "$last" test "$(count edge fleet received)" = "$last"
  fleet_applies "given back" "$(fleet_policy fleet)"
  check "the same connections go on" "" fleet_more fleet
}

coordinator_dies() {
  on web systemctl kill --signal=KILL krait-coordinator
  check "the coordinator is killed: traffic goes on" "" fleet_more fleet
  check "it comes again, and all hosts to it" "" until_true 90 online 4
  on web systemctl stop krait-coordinator
  traffic web stop fleet
  traffic edge stop fleet
  container_stop office
  check "office loses its power, and starts without a coordinator" "" container_start office
  check "its agent enforces what it had" "" until_true 90 services_are_active office
  fleet_transfers again
  check "web transfers to it again" "" traffic office wait again 60 120
  check "and it to edge" "" traffic edge wait again 60 120
  on web systemctl start krait-coordinator
  check "the coordinator is back, and all hosts with it" "" until_true 90 online 4
}

fourth_is_removed() {
  check "edge is removed" "" on_shell web "krait-coordinator host remove edge1 --wait"
  check "nothing passes to it any more" "" not traffic edge more again 1 5
  check "web and office go on" "" traffic office more again 20 60
  traffic web stop again
}

four_hosts() {
  two_more_join
  if ((steps_failed)); then return; fi
  revoked_from_all
  coordinator_dies
  fourth_is_removed
  containers_end office edge
}
