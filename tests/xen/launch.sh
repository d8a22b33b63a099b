#!/bin/bash
# shellcheck disable=SC2016 # what the zones' own shells expand
# Zones by kratad: launched, spoken to, ended and forgotten; the daemon killed under them.
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

krata zone launch --name two busybox sh -c 'trap "echo stopping; exit 3" TERM; i=0; while :; do i=$((i + 1)); echo "line $i"; sleep 0.2; done' >/dev/null
check "a second one runs" "$(state_of two)" until_true 180 is_state two running
check "krata zone list shows it" "" sh -c 'krata zone list | grep -q "^two  *running"'
out=$(krata zone exec two sh -c 'echo "$PWD $COLOUR"; cat >&2; exit 5' 2>/tmp/err </lab/zones.sh)
code=$?
check "krata zone exec runs a command in it" "$out, code $code" test "$out $code" = "/root blue 5"
check "with input and both outputs" "$(wc -c </tmp/err) bytes" cmp -s /tmp/err /lab/zones.sh
krata zone exec two nonsense >/dev/null 2>&1
code=$?
check "a command that is not there" "code $code" test "$code" = 127
krata zone exec two /etc/passwd >/dev/null 2>&1
code=$?
check "one that cannot be run" "code $code" test "$code" = 126
check "its user may be another" "$(krata zone exec --user guest two id -u 2>&1)" test "$(krata zone exec --user guest two id -u)" = 1000

has_line() { krata zone logs two | grep -qx "line $1"; }
check "its lines come" "" until_true 90 has_line 5
kill_hard "$kratad_pid"
sleep 2
check "kratad is killed and comes again" "" kratad_start
check "the zone goes on" "$(state_of two)" until_true 90 is_state two running
count=$(krata zone logs two | grep -c '^line')
check "its lines go on" "$count lines" until_true 90 has_line "$((count + 5))"
check "none is lost, none comes twice" "$(krata zone logs two | grep -c '^line') lines" \
  sh -c 'krata zone logs two | grep "^line" >/tmp/lines; seq 1 "$(wc -l </tmp/lines)" | sed "s/^/line /" | cmp -s - /tmp/lines'
check "and it may still be spoken to" "$(krata zone exec two hostname 2>&1)" test "$(krata zone exec two hostname)" = two

block=$(cat /var/lib/krata/zones/*/block.pid)
kill -KILL "$block"
other_block() { [ "$(cat /var/lib/krata/zones/*/block.pid)" != "$block" ] && kill -0 "$(cat /var/lib/krata/zones/*/block.pid)"; }
check "krata-block is killed and comes again" "" until_true 60 other_block
check "its disk is served" "" krata zone exec two cat /bin/busybox

krata zone metrics two -o json >/tmp/metrics
check "krata zone metrics counts what its disks did" "$(tr -d '\n' </tmp/metrics | grep -o '"disk":"xvda"[^}]*')" \
  grep -Eq '"disk":"xvda","reads":[1-9][0-9]*,"writes":0,"flushes":0,"read_bytes":[1-9][0-9]*,"written_bytes":0,"errors":0' /tmp/metrics
page=$(wget -q -O - http://127.0.0.1:9792/metrics)
for row in 'krata_zone_disk_read_bytes_total{zone="two"' 'krata_store_requests_total{operation="write"}'; do
  check "the metrics page has $row" "$(grep -F "$row" <<<"$page" | head -n 1)" grep -Fq "$row" <<<"$page"
done

check "krata zone stop" "$(krata zone stop two 2>&1)" is_state two ended
check "with the code of who obeys" "" sh -c 'krata zone show two -o json | grep -q "\"code\":3"'
check "and its last words" "" sh -c 'krata zone logs two | tail -n 1 | grep -qx stopping'
krata zone destroy two >/dev/null 2>&1

krata zone launch --name three --env A=b --user guest --hostname host busybox sh -c 'hostname; id -u; echo $A; pwd >&2' >/dev/null
timeout 180 krata zone wait three >/dev/null 2>&1
check "options reach the container" "$(krata zone logs three | tr '\n' ' ')" test "$(krata zone logs three | tr '\n' ' ')" = "host 1000 b /root "
krata zone launch --name three busybox >/tmp/out 2>&1
check "a name is given once" "$(cat /tmp/out)" grep -q 'is called three already' /tmp/out
krata zone destroy three >/dev/null 2>&1

timeout 180 krata zone launch --name four --wait busybox nonsense >/tmp/out 2>&1
code=$?
check "a command that is none" "code $code, $(cat /tmp/out)" test "$code" = 127
krata zone destroy four >/dev/null 2>&1

krata image remove busybox >/dev/null
check "krata image prune takes the packed image too" "$(krata image prune)" sh -c '[ -z "$(ls -A /var/lib/krata/roots)" ]'

zones_end
tell_logs
finish launch
