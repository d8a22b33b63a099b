#!/bin/bash
# Zones do to kratad and krata-block what no kernel does, one way each (lab/hostile): consoles, the channel, disks. The daemon says why it gives
# something up, in few words; another zone is served all the time, and nothing is left of any.
. /lab/steps.sh
. /lab/zones.sh

zones_begin
add_lab_kernel

is_told() { grep -q "$1" "$zones_dir/kratad.log" /var/lib/krata/zones/*/block.log; }

# tried NAME: what the zone found wrong, and that it was served to the end of it.
tried() {
  while read -r line; do check "$1: ${line#*: }" "" test "${line%%:*}" = ok; done < <(console_of "$1" | grep -aE '^(ok|WRONG)')
}
# way NAME PATTERN [TOLD]: until the zone says so, and the log TOLD.
options=()
way() {
  lab_launch "$1" "${options[@]}"
  check "$1" "$(console_of "$1" | tail -n 1)" until_true 40 says "$1" "$2"
  [ -z "${3:-}" ] || check "$1: the log says so: $3" "" until_true 20 is_told "$3"
  tried "$1"
}

lab_launch good
check "a zone that does nothing wrong" "" until_true 60 says good '^round'
# shellcheck disable=SC2016 # awk's own words
# without_rights PROGRAM USER: what is left to each of its processes.
without_rights() {
  local pid
  for pid in $(pidof "$1"); do
    check "$1 is $2, without rights, calls and files" "$(grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' "/proc/$pid/status" | tr -s '\t\n' ' ')" \
      awk -v "user=$2" '/^Uid:/ { bad += $2 != user || $3 != user || $4 != user || $5 != user }
        /^Cap(Eff|Prm|Inh|Bnd|Amb):/ { bad += $2 != "0000000000000000" }
        /^NoNewPrivs:/ { bad += $2 != 1 } /^Seccomp:/ { bad += $2 != 2 } END { exit bad }' "/proc/$pid/status"
    check "$1 sees no file" "$(ls -A "/proc/$pid/root")" test -z "$(ls -A "/proc/$pid/root")"
  done
}
without_rights krata-store 991
without_rights krata-block 992
before=$(status_kib "$kratad_pid" VmRSS)

way console-jump '^done' "console's ring"
way console-back '^done'
way console-text 'end of text'
check "console-text: no control character is in the log" "$(console_of console-text | tail -n 2 | head -n 1)" \
  sh -c '! cat /var/lib/krata/zones/*/console | LC_ALL=C grep -qa "[^ -~]"'
lab_launch console-flood
lab_launch console-line
check "console-flood: it ends" "$(state_of console-flood)" until_true 60 is_state console-flood ended
check "console-line: it ends" "$(state_of console-line)" until_true 60 is_state console-line ended
for name in console-flood console-line; do
  size=$(du -sk "$(folder_of $name)" | cut -f 1)
  check "$name: its log is bounded" "$size KiB" test "$size" -lt 24576
done

way channel-jump '^done' "channel's ring"
way channel-garbage '^done'
way channel-endless '^done'
way channel-mute '^done'
way channel-keys '^done' 'the channel of domain'
way block-requests '^end: block-requests'
mke2fs -q -t ext4 /tmp/lent 9M # so many that pages are borrowed for it
printf hs | dd of=/tmp/lent conv=notrunc 2>/dev/null
options=(--disk /tmp/lent:/lent:ro)
way block-lent '^end: block-lent'
options=()
way block-jump '^done' 'ahead by more than the ring'
way block-back '^done' 'went back'
way block-storm '^done'
way block-keys '^done' 'no proper event-channel'

lines=$(cat "$zones_dir/kratad.log" /var/lib/krata/zones/*/block.log | wc -l)
check "few words of all that" "$lines lines" test "$lines" -lt 200
after=$(status_kib "$kratad_pid" VmRSS)
check "the daemon did not grow" "$before KiB, now $after KiB" test $((after - before)) -lt 4096
check "nor did the store" "$(status_kib "$store_pid" VmRSS) KiB" test "$(status_kib "$store_pid" VmRSS)" -lt 8192
store write "/local/domain/$(domain_of good)/data/stop" now
check "the other zone missed nothing" "$(console_of good | tail -n 1)" until_true 20 says good '^ok: rounds'

check "all of them are destroyed" "" destroy_zones
zones_end
tell_logs
finish hostile
