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

store_drop_in=/run/systemd/system/krata-store.service.d/lab.conf
# drop_in LINE...: the unit with these, and although there is no Xen.
# shellcheck disable=SC2016 # what the shell there expands
drop_in() {
  on web mkdir -p "${store_drop_in%/*}"
  on web bash -c 'printf "%s\n" "[Unit]" ConditionPathExists= "[Service]" ExecStartPre= "${@:2}" >"$1"' _ "$store_drop_in" "$@"
  on web systemctl daemon-reload
}
store_state() { echo "$(unit_of krata-store ActiveState), started again $(unit_of krata-store NRestarts) times"; }
store_is() { [ "$(store_state)" = "$1" ]; }
# Waiting to be started anew it would be active: systemd calls that auto-restart.
is_at_rest() { [ "$(unit_of krata-store SubState)" = dead ] && store_is "inactive, started again 0 times"; }
store_began_us() { unit_of krata-store ExecMainStartTimestampMonotonic; }
began_after() { [ "$(store_began_us)" -gt "$1" ]; }
is_other_store() { [ "$(unit_of krata-store ActiveState)" = active ] && [ "$(unit_of krata-store MainPID)" != "$1" ]; }

# krata-store as systemd runs it: beside another xenstored, with a fault that lasts (there is no Xen), and killed.
krata_store_is_kept_up() {
  local killed begun_us killed_us pause_ms
  drop_in
  on web systemd-run -q --unit=other-store krata-store --socket /run/xenstored/socket --without-xen
  check "another xenstored serves" "" until_true 60 on web test -S /run/xenstored/socket
  on web systemctl start krata-store
  check "krata-store ends beside it" "$(store_state)" until_true 60 store_is "inactive, started again 0 times"
  check "and stays away" "$(unit_of krata-store SubState), $(store_state)" is_at_rest
  check "that is no failure" "$(unit_of krata-store Result)" test "$(unit_of krata-store Result)" = success
  check "the journal says why, once" "$(on web journalctl -q -o cat -u krata-store | grep -c 'another xenstored')" \
    test "$(on web journalctl -q -o cat -u krata-store | grep -c 'another xenstored serves at /run/xenstored/socket')" = 1
  on web systemctl stop other-store

  on web systemctl start krata-store
  begun_us=$(store_began_us)
  check "what has failed is tried again" "$(store_state)" until_true 60 began_after "$begun_us"
  pause_ms=$((($(store_began_us) - begun_us) / 1000))
  check "after a pause" "$pause_ms ms" test "$pause_ms" -ge 5000
  on web systemctl stop krata-store
  drop_in ExecStart= "ExecStart=/usr/bin/krata-store --socket /run/krata-store/socket --state /run/krata-store/state --without-xen"
  on web systemctl start krata-store
  check "with nothing in its way it has said that it serves when systemctl start returns" "$(unit_of krata-store StatusText)" \
    test "$(unit_of krata-store StatusText)" = "xenstore is served"
  killed=$(unit_of krata-store MainPID)
  read -r killed_us _ < <(on web cat /proc/uptime) # in seconds with two digits behind the point
  on web kill -KILL "$killed"
  check "killed it is back" "$(store_state)" until_true 60 is_other_store "$killed"
  pause_ms=$((($(store_began_us) - ${killed_us/./}0000) / 1000))
  check "at once" "$pause_ms ms" test "$pause_ms" -le 1500
  on web systemctl stop krata-store
  on web rm -r "${store_drop_in%/*}"
  on web systemctl daemon-reload
  on web systemctl reset-failed
}

# Without the lab's disc, and what the kernel shows.
krata_files() { on web find / -xdev -path /lab -prune -o -name '*krata*' -print; }

krata_is_removed() {
  check "web: apt-get purge krata krata-common" "" on web apt-get -q purge krata krata-common
  check "no file of krata is left" "$(krata_files | head -n 5 | tr '\n' ' ')" test -z "$(krata_files)"
  check "nothing has failed" "$(on web systemctl --failed --plain --no-legend | head -n 3)" test -z "$(on web systemctl --failed --plain --no-legend)"
}
