#!/bin/bash
# kratad and the server of a zone's disks are killed again and again while zones run, both at once or one of them: none is harmed, each
# answer of a disk is right, and of what a container says no line is lost and none comes twice. `./x test --all` has a hundred deaths of each.
# shellcheck disable=SC2016 # what the zone's own shell expands
. /lab/steps.sh
. /lab/zones.sh

kills=10
[[ $LAB_ROLE != long ]] || kills=100

zones_begin
add_lab_kernel
krata zone launch --name lines busybox sh -c 'trap "exit 3" TERM; i=0; while :; do i=$((i + 1)); echo "line $i"; sleep 0.1; done' >/dev/null
lab_launch good
lab_launch good-disk
check "a container that counts" "" until_true 120 is_state lines running
check "a zone that asks the store all the time" "" until_true 60 says good '^round'
check "and one that reads its disk" "" until_true 60 says good-disk '^round'

folder=$(folder_of good-disk)
block='' killed=''
kratad_deaths=0 block_deaths=0
is_served() { block=$(cat "$folder/block.pid" 2>/dev/null) && [[ $block != "$killed" ]] && kill -0 "$block" 2>/dev/null; }
kill_kratad() {
  kill_hard "$kratad_pid"
  kratad_deaths=$((kratad_deaths + 1))
}
kill_block() {
  killed=$block
  kill -KILL "$killed"
  block_deaths=$((block_deaths + 1))
}

for ((round = 0; block_deaths < kills || kratad_deaths < kills; ++round)); do
  until_true 60 is_served || break
  sleep "0.0$((RANDOM % 10))"
  case $((round % 4)) in
    0) kill_block ;;
    1) kill_kratad ;;
    2)
      kill_block
      kill_kratad
      ;;
    3)
      kill_kratad
      kill_block
      ;;
  esac
  kill -0 "$kratad_pid" 2>/dev/null || kratad_start || break
done
check "both were killed" "kratad $kratad_deaths times, krata-block $block_deaths times" test "$block_deaths" -ge "$kills" -a "$kratad_deaths" -ge "$kills"
check "the container runs" "$(state_of lines)" until_true 60 is_state lines running
last=$(krata zone logs lines | tail -n 1)
has_more() { [ "$(krata zone logs lines | tail -n 1)" != "$last" ]; }
check "its lines go on" "$last" until_true 60 has_more
krata zone logs lines | grep '^line' >/tmp/lines
check "none is lost, none comes twice" "$(wc -l </tmp/lines) lines" \
  sh -c 'seq 1 "$(wc -l </tmp/lines)" | sed "s/^/line /" | cmp -s - /tmp/lines'
rounds_of() { console_of "$1" | grep -c '^round'; }
has_read_more() { [ "$(rounds_of good-disk)" -gt "$read_rounds" ]; }
read_rounds=$(rounds_of good-disk)
check "the disk is read on" "" until_true 60 has_read_more
for name in good good-disk; do
  store write "/local/domain/$(domain_of $name)/data/stop" now
  check "$name missed nothing" "" until_true 60 says $name '^ok: rounds'
  check "$name found nothing wrong" "$(console_of $name | grep -a '^[oW]' | tail -n 1)" sh -c "! krata zone logs --kernel $name | grep -q '^WRONG'"
done
check "krata zone stop" "$(krata zone stop lines 2>&1)" until_true 60 is_state lines ended
for name in lines good good-disk; do krata zone destroy $name >/dev/null 2>&1; done
zones_end
tell_logs
finish kills
