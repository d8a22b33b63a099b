# shellcheck shell=bash disable=SC2154
# krata's packages on a host that does not run on Xen: they install, their units wait and say for what, and nothing is left of them.

unit_of() { on web systemctl show -P "$2" "$1"; }

verified_units() { on web systemd-analyze --no-pager --man=no verify krata-store.service kratad.service krata-zones.service 2>&1; }

krata_waits_for_xen() {
  local unit
  check "web: apt-get install krata" "" on web apt-get -q install krata
  for unit in krata-store kratad krata-zones; do
    check "$unit is enabled" "" on web systemctl --quiet is-enabled "$unit"
    check "it does not run, and has not failed" "$(unit_of "$unit" ActiveState)" test "$(unit_of "$unit" ActiveState)" = inactive
    check "to start it is no failure either" "" on web systemctl start "$unit"
    check "systemctl status says why it does not run" "$(on web systemctl status "$unit" | grep -i condition)" \
      grep -q 'Condition: start condition failed' <<<"$(on web systemctl status "$unit")"
  done
  check "systemd finds nothing wrong with them" "$(verified_units | head -n 3)" test -z "$(verified_units)"
  check "modules that are for domain 0 fail nothing" "$(on web systemctl show -P Result systemd-modules-load)" \
    on web systemctl restart systemd-modules-load
  on web krata doctor >"$lab_dir/said" 2>&1
  check "krata doctor finds a problem" "exit code $?" test $? = 1
  check "and says what to do" "$(cat "$lab_dir/said")" grep -q 'does not run on Xen; apt install --no-install-recommends xen-hypervisor-amd64' "$lab_dir/said"
  on web krata zone list >"$lab_dir/said" 2>&1
  check "krata zone list names who tells more" "$(cat "$lab_dir/said")" grep -q 'krata doctor' "$lab_dir/said"
}

# Without the lab's disc, and what the kernel shows.
krata_files() { on web find / -xdev -path /lab -prune -o -name '*krata*' -print; }

krata_is_removed() {
  check "web: apt-get purge krata krata-common" "" on web apt-get -q purge krata krata-common
  check "no file of krata is left" "$(krata_files | head -n 5 | tr '\n' ' ')" test -z "$(krata_files)"
  check "nothing has failed" "$(on web systemctl --failed --plain --no-legend | head -n 3)" test -z "$(on web systemctl --failed --plain --no-legend)"
}
