#!/bin/bash
# kratad and the server of a zone's disks are killed a hundred times, both at once, while zones run: none is harmed, each answer of a disk is
# right, and of what a container says no line is lost and none comes twice.
# shellcheck disable=SC2016 # what the zone's own shell expands
. /lab/steps.sh
. /lab/zones.sh

kills=100

zones_begin
add_lab_kernel
krata zone launch --name lines busybox sh -c 'trap "exit 3" TERM; i=0; while :; do i=$((i + 1)); echo "line $i"; sleep 0.1; done' >/dev/null
lab_launch good
lab_launch good-disk
check "a container that counts" "" until_true 120 is_state lines running
check "a zone that asks the store all the time" "" until_true 60 says good '^round'
check "and one that reads its disk" "" until_true 60 says good-disk '^round'

folder=$(folder_of good-disk)
deaths=0
while ((deaths < kills)); do
  sleep "0.0$((RANDOM % 10))"
  kill -KILL "$(cat "$folder/block.pid")" 2>/dev/null
  kill_hard "$kratad_pid"
  deaths=$((deaths + 1))
  kratad_start || break
done
check "both were killed a hundred times" "$deaths deaths" test "$deaths" = "$kills"
check "the container runs" "$(state_of lines)" until_true 60 is_state lines running
last=$(krata zone logs lines | tail -n 1)
has_more() { [ "$(krata zone logs lines | tail -n 1)" != "$last" ]; }
check "its lines go on" "$last" until_true 60 has_more
krata zone logs lines | grep '^line' >/tmp/lines
check "none is lost, none comes twice" "$(wc -l </tmp/lines) lines" \
  sh -c 'seq 1 "$(wc -l </tmp/lines)" | sed "s/^/line /" | cmp -s - /tmp/lines'
for name in good good-disk; do
  store write "/local/domain/$(domain_of $name)/data/stop" now
  check "$name missed nothing" "$(console_of $name | grep -a '^[oW]' | tail -n 1)" until_true 60 says $name '^ok: rounds'
  check "$name found nothing wrong" "" sh -c "! krata zone logs --kernel $name | grep -q '^WRONG'"
done
check "krata zone stop" "$(krata zone stop lines 2>&1)" until_true 60 is_state lines ended
for name in lines good good-disk; do krata zone destroy $name >/dev/null 2>&1; done
zones_end
tell_logs
finish kills
