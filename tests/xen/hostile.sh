#!/bin/bash
# Zones do to kratad and krata-block what no kernel does, one way each (lab/hostile): consoles, the channel, disks. The daemon says why it gives
# something up, in few words; another zone is served all the time, and nothing is left of any.
. /lab/steps.sh
. /lab/zones.sh

kernels=/var/lib/krata/kernels

zones_begin
mkdir -p "$kernels/0.1-hostile"
cp /zone/hostile "$kernels/0.1-hostile/vmlinuz"
: >"$kernels/0.1-hostile/modules.cpio"

launch() { krata zone launch --kernel 0.1-hostile --name "$1" --memory 80M busybox >/dev/null; }
console_of() { krata zone logs --kernel "$1" 2>/dev/null; }
says() { console_of "$1" | grep -q "$2"; }
is_told() { grep -q "$1" "$zones_dir/kratad.log" /var/lib/krata/zones/*/block.log; }
folder_of() { echo "/var/lib/krata/zones/$(krata zone show "$1" -o json | sed -n 's/.*"id":"\([^"]*\)".*/\1/p')"; }
resident_kib() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"; }

# tried NAME: what the zone found wrong, and that it was served to the end of it.
tried() {
  while read -r line; do check "$1: ${line#*: }" "" test "${line%%:*}" = ok; done < <(console_of "$1" | grep -aE '^(ok|WRONG)')
}
# way NAME PATTERN [TOLD]: until the zone says so, and the log TOLD.
way() {
  launch "$1"
  check "$1" "$(console_of "$1" | tail -n 1)" await 40 says "$1" "$2"
  [ -z "${3:-}" ] || check "$1: the log says so: $3" "" await 20 is_told "$3"
  tried "$1"
}

launch good
check "a zone that does nothing wrong" "" await 60 says good '^round'
before=$(resident_kib "$kratad_pid")

way console-jump '^done' "console's ring"
way console-back '^done'
way console-text 'end of text'
check "console-text: no control character is in the log" "$(console_of console-text | tail -n 2 | head -n 1)" \
  sh -c '! cat /var/lib/krata/zones/*/console | LC_ALL=C grep -qa "[^ -~]"'
launch console-flood
launch console-line
check "console-flood: it ends" "$(state_of console-flood)" await 60 is_state console-flood ended
check "console-line: it ends" "$(state_of console-line)" await 60 is_state console-line ended
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
way block-jump '^done' 'ahead by more than the ring'
way block-back '^done' 'went back'
way block-storm '^done'
way block-keys '^done' 'no proper event-channel'

lines=$(cat "$zones_dir/kratad.log" /var/lib/krata/zones/*/block.log | wc -l)
check "few words of all that" "$lines lines" test "$lines" -lt 200
after=$(resident_kib "$kratad_pid")
check "the daemon did not grow" "$before KiB, now $after KiB" test $((after - before)) -lt 4096
check "nor did the store" "$(resident_kib "$store_pid") KiB" test "$(resident_kib "$store_pid")" -lt 8192
store write "/local/domain/$(krata zone show good -o json | sed -n 's/.*"domain":\([0-9]*\).*/\1/p')/data/stop" now
check "the other zone missed nothing" "$(console_of good | tail -n 1)" await 20 says good '^ok: rounds'

for name in $(krata zone list -o json | grep -o '"name":"[^"]*"' | cut -d '"' -f 4); do krata zone destroy "$name" >/dev/null 2>&1; done
zones_end
tell_logs
finish hostile
