#!/bin/bash
# shellcheck disable=SC2016 # what the zones' own shells expand
# Zones that run once more: by krata zone start, by a kratad that is killed meanwhile, and after the host was shut down.
. /lab/steps.sh
. /lab/zones.sh

zones_begin

launch_counting two --cpus 2 --memory 160M
check "a zone runs" "$(state_of two)" until_true 180 has_line two 1
check "and is stopped" "$(krata zone stop two 2>&1)" is_state two ended

krata zone update --memory 176M two >/dev/null 2>&1
check "krata zone start" "$(krata zone start two 2>&1)" until_true 180 is_state two running
check "it is the next run" "$(krata zone metrics two 2>&1 | head -n 1)" sh -c 'krata zone metrics two | grep -q "^two  running, run 2$"'
check "with what it was to have more" "$(limit_of two "memory KiB")" has_memory two 179200 180224
has_begun_again() { [ "$(krata zone logs two | grep -cx 'line 1')" = 2 ]; }
check "its log goes on" "" until_true 60 has_begun_again
check "what runs is not started" "$(krata zone start two 2>&1)" sh -c 'krata zone start two 2>&1 | grep -q "two runs already"'
krata zone stop two >/dev/null 2>&1
kill_hard "$kratad_pid"
check "what was stopped" "" kratad_start
answer=$(krata zone start two 2>&1)
kill_hard "$kratad_pid"
check "may be started by another kratad" "$answer" test "$answer" = "two  restarting"
check "which is killed in the midst of it" "" kratad_start
check "so that the next one does" "$(state_of two)" until_true 180 is_state two running
check "once" "$(krata zone metrics two 2>&1 | head -n 1)" sh -c 'krata zone metrics two | grep -q "^two  running, run 3$"'
krata zone destroy two >/dev/null 2>&1

krata zone launch --name again --restart on-failure busybox sh -c 'trap "echo stopping; exit 0" TERM; echo up; while :; do sleep 0.1; done' >/dev/null
krata zone launch --name once busybox sh -c 'trap "echo stopping; exit 0" TERM; echo up; while :; do sleep 0.1; done' >/dev/null
is_up() { [ "$(krata zone logs "$1")" = up ]; } # from then on it obeys
check "two run when the host shuts down" "$(state_of again) $(state_of once)" until_true 180 is_up again
check "the other one as well" "$(state_of once)" until_true 180 is_up once
stop_command=$(sed -n 's/^ExecStop=-//p' /zone/krata-zones.service)
check "systemd's command for that" "$stop_command: $($stop_command 2>&1 | tr '\n' ' ')" is_state once ended
check "both ended" "$(state_of again)" is_state again ended
for name in again once; do
  check "$name was told to stop" "$(krata zone logs $name 2>&1)" test "$(krata zone logs $name)" = $'up\nstopping'
done
sleep 3 # longer than what failed has to wait
check "none is started again" "$(state_of again)" is_state again ended
kill_hard "$kratad_pid"
check "until kratad is" "" kratad_start
check "which starts what is to be" "$(state_of again)" until_true 180 is_state again running
check "and nothing else" "$(state_of once)" is_state once ended
for name in again once; do krata zone destroy $name >/dev/null 2>&1; done

zones_end
tell_logs
finish again
