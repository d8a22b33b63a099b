#!/bin/bash
# shellcheck disable=SC2016 # what the zones' own shells expand
# The demo of zones, in domain 0 of Xen: `./x demo zone` runs it in QEMU.
set -u
. /lab/steps.sh
. /lab/zones.sh

title "Xen $(cat /sys/hypervisor/version/major).$(cat /sys/hypervisor/version/minor), domain 0 is Linux $(uname -r); nothing of Xen's user space is here"
image_source=registry
zones_begin
told krata image list
told krata host status

title "A container runs with a kernel of its own"
out=$(timeout -k 10 240 krata zone launch --name first --attach "$registry/busybox" sh -c 'echo "$(uname -sr) as $(hostname), process $$ of its own"; exit 3' 2>&1)
code=$?
printf '    %s\n' "$out"
check "its line is here" "" test "${out% as first, process * of its own}" != "$out"
check "and its exit code" "$code" test "$code" = 3

title "Two zones, side by side"
for name in left right; do
  krata zone launch --name "$name" --memory 128M "$registry/busybox" sh -c \
    'trap "echo bye; exit 0" TERM; i=0; while :; do i=$((i + 1)); echo "beat $i"; sleep 0.5; done' >/dev/null
done
check "left runs" "" until_true 180 is_state left running
check "right runs" "" until_true 180 is_state right running
told krata zone list
check "a command in left sees left alone" "$(krata zone exec left hostname 2>&1)" test "$(krata zone exec left hostname)" = left
check "its memory is what it was given" "$(krata zone exec left sh -c "head -n 1 /proc/meminfo" 2>&1)" \
  krata zone exec left sh -c 'read -r _ kib _ </proc/meminfo; [ "$kib" -lt 131072 ]'

title "Limits change while they run"
told krata zone update --memory 96M --cap 50 left
memory_is_below() { krata zone exec left sh -c "read -r _ kib _ </proc/meminfo; [ \"\$kib\" -lt $1 ]"; }
check "left has less memory" "$(krata zone exec left sh -c "head -n 1 /proc/meminfo" 2>&1)" until_true 60 memory_is_below 98304
told krata zone show left

title "kratad is killed"
kill_hard "$kratad_pid"
sleep 1
check "it comes again" "" kratad_start
check "left goes on" "" until_true 90 is_state left running
check "right goes on" "" until_true 90 is_state right running
count=$(krata zone logs left | grep -c '^beat')
has_beat() { krata zone logs left | grep -qx "beat $1"; }
check "its log goes on" "" until_true 90 has_beat "$((count + 2))"
check "and lacks nothing" "$(krata zone logs left | grep -c '^beat') beats" \
  sh -c 'krata zone logs left | grep "^beat" >/tmp/beats; seq 1 "$(wc -l </tmp/beats)" | sed "s/^/beat /" | cmp -s - /tmp/beats'

title "They end"
check "stop: the container obeys" "$(krata zone stop left 2>&1)" is_state left ended
told krata zone logs --tail 2 left
check "destroy" "" krata zone destroy right
for name in first left; do krata zone destroy "$name" >/dev/null 2>&1; done

zones_end
tell_logs
echo
finish demo
