#!/bin/bash
# shellcheck disable=SC2016 # what the zones' own shells expand
# Zones by kratad: launched, spoken to, changed while they run, ended and forgotten; the daemon killed under them. again.sh goes on.
. /lab/steps.sh
. /lab/zones.sh

zones_begin

out=$(timeout -k 10 240 krata zone launch --name one --attach busybox sh -c 'echo "hello from $(uname -s), $COLOUR"; exit 7' 2>/tmp/err)
code=$?
check "krata zone launch --attach prints the container's line" "$out $(cat /tmp/err)" test "$out" = "hello from Linux, blue"
check "and exits with its code" "$code" test "$code" = 7
check "the zone ends" "$(krata zone show one 2>&1 | head -n 3 | tr '\n' ' ')" until_true 90 is_state one ended
check "its log stays" "$(krata zone logs one 2>&1)" test "$(krata zone logs one)" = "hello from Linux, blue"
check "krata zone wait knows the code" "" sh -c 'krata zone wait one; [ $? = 7 ]'
krata zone destroy one >/dev/null 2>&1
check "krata zone destroy forgets it" "" sh -c '! krata zone show one'

launch_counting two --cpus 2 --memory 160M
check "a second one runs" "$(state_of two)" until_true 180 is_state two running
check "krata zone list shows it" "" sh -c 'krata zone list | grep -q "^two  *running"'
out=$(krata zone exec two sh -c 'echo "$PWD $COLOUR"; cat >&2; exit 5' 2>/tmp/err </lab/zones.sh)
code=$?
check "krata zone exec runs a command in it" "$out, code $code" test "$out $code" = "/root blue 5"
check "with input and both outputs" "$(wc -c </tmp/err) bytes" cmp -s /tmp/err /lab/zones.sh
launched_kib=$(limit_of two "memory KiB")
check "the hypervisor sees what it was launched with" "$(krata-lab-zone limits "$(domain_of two)" | tr '\n' ' ')" has_memory two 162816 163840
# XEN_X86_EMU_PIT of xen/arch-x86/xen.h, and TSC_MODE_NEVER_EMULATE of Xen's asm/time.h: by both its kernel begins and reads the time without the hypervisor.
check "a timer chip and nothing else of a PC" "$(limit_of two emulated)" is_limit two emulated = 0x100
check "and the processor's own clock" "$(limit_of two "clock mode")" is_limit two "clock mode" = 2
krata zone update --memory 96M --cpus 1 --weight 512 --cap 50 two >/tmp/out 2>&1
check "krata zone update takes memory away" "$(cat /tmp/out)" until_true 60 has_memory two 97280 98304
check "and a CPU" "$(limit_of two cpus)" until_true 60 is_limit two cpus = 1
check "its weight" "$(limit_of two weight)" is_limit two weight = 512
check "its cap" "$(limit_of two cap)" is_limit two cap = 50
krata zone update --memory 160M --cpus 2 --cap 0 two >/tmp/out 2>&1
check "memory comes back, up to what it was launched with" "$(cat /tmp/out)" until_true 60 has_memory two "$launched_kib" "$launched_kib"
check "and the CPU" "$(limit_of two cpus)" until_true 60 is_limit two cpus = 2
check "no cap, the same weight" "$(limit_of two cap) $(limit_of two weight)" sh -c "[ '$(limit_of two cap) $(limit_of two weight)' = '0 512' ]"
krata zone update --memory 161M two >/tmp/out 2>&1
check "but no more than that" "$(cat /tmp/out)" grep -q 'was started with 160M and 2 CPUs, and cannot have more' /tmp/out

check "its lines come" "" until_true 90 has_line two 5
kill_hard "$kratad_pid"
sleep 2
check "kratad is killed and comes again" "" kratad_start
check "the zone goes on" "$(state_of two)" until_true 90 is_state two running
count=$(krata zone logs two | grep -c '^line')
check "its lines go on" "$count lines" until_true 90 has_line two "$((count + 5))"
check "none is lost, none comes twice" "$(krata zone logs two | grep -c '^line') lines" \
  sh -c 'krata zone logs two | grep "^line" >/tmp/lines; seq 1 "$(wc -l </tmp/lines)" | sed "s/^/line /" | cmp -s - /tmp/lines'
check "and it may still be spoken to" "$(krata zone exec two hostname 2>&1)" test "$(krata zone exec two hostname)" = two

check "krata zone stop" "$(krata zone stop two 2>&1)" is_state two ended
check "with the code of who obeys" "" sh -c 'krata zone show two -o json | grep -q "\"code\":3"'
check "and its last words" "" sh -c 'krata zone logs two | tail -n 1 | grep -qx stopping'
krata zone destroy two >/dev/null 2>&1

zones_end
tell_logs
finish launch
