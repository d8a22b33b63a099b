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

out=$(echo words | timeout -k 10 180 krata zone launch --name one --attach busybox sh -c 'cat; echo "and no more"' 2>&1)
check "what is attached is its input, to the end" "$out" test "$out" = $'words\nand no more'
krata zone destroy one >/dev/null 2>&1
timeout -k 10 180 krata zone launch --name one --wait busybox sh -c 'cat; exit 4' >/tmp/out 2>&1
code=$?
check "the input of a container that nobody attaches to is at its end" "code $code, $(cat /tmp/out)" test "$code" = 4
krata zone destroy one >/dev/null 2>&1

krata zone launch --name two --cpus 2 --memory 160M busybox sh -c 'trap "echo stopping; exit 3" TERM; i=0; while :; do i=$((i + 1)); echo "line $i"; sleep 0.2; done' >/dev/null
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

limit_of() { krata-lab-zone limits "$(domain_of two)" | sed -n "s/^$1 //p"; }
is_limit() { test "$(limit_of "$1")" "$2" "$3"; }
has_memory() { is_limit "memory KiB" -ge "$1" && is_limit "memory KiB" -le "$2" && krata zone exec two sh -c "read -r _ kib _ </proc/meminfo; [ \$kib -le $2 ]"; }
launched_kib=$(limit_of "memory KiB")
check "the hypervisor sees what it was launched with" "$(krata-lab-zone limits "$(domain_of two)" | tr '\n' ' ')" has_memory 162816 163840
krata zone update --memory 96M --cpus 1 --weight 512 --cap 50 two >/tmp/out 2>&1
check "krata zone update takes memory away" "$(cat /tmp/out)" until_true 60 has_memory 97280 98304
check "and a CPU" "$(limit_of cpus)" until_true 60 is_limit cpus = 1
check "its weight" "$(limit_of weight)" is_limit weight = 512
check "its cap" "$(limit_of cap)" is_limit cap = 50
krata zone update --memory 160M --cpus 2 --cap 0 two >/tmp/out 2>&1
check "memory comes back, up to what it was launched with" "$(cat /tmp/out)" until_true 60 has_memory "$launched_kib" "$launched_kib"
check "and the CPU" "$(limit_of cpus)" until_true 60 is_limit cpus = 2
check "no cap, the same weight" "$(limit_of cap) $(limit_of weight)" sh -c "[ '$(limit_of cap) $(limit_of weight)' = '0 512' ]"
krata zone update --memory 161M two >/tmp/out 2>&1
check "but no more than that" "$(cat /tmp/out)" grep -q 'was launched with 160M and 2 CPUs, and cannot have more' /tmp/out

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

for disk in scratch data; do mke2fs -q -t ext4 "/tmp/$disk.img" 8M >/dev/null 2>&1; done
# is_clean FILE: s_state and s_feature_incompat of the superblock (fs/ext4/ext4.h): unmounted, and no journal to go over.
byte_at() { od -An -tx1 -j "$2" -N 1 "$1" | tr -d ' '; }
is_clean() { [ "$(byte_at "$1" 1082)" = 01 ] && [ $((0x$(byte_at "$1" 1120) & 4)) = 0 ]; }
are_clean() { is_clean /tmp/scratch.img && is_clean /tmp/data.img; }
disks=(--disk /tmp/scratch.img:/ --disk /tmp/data.img:/data)
krata zone launch --name five "${disks[@]}" busybox sh -c 'echo kept >/kept; echo too >/data/kept; mount -t tmpfs over /data; echo written; exec sleep 1000' >/dev/null
has_written() { krata zone logs five | grep -qx written; }
check "a zone with a scratch disk and another" "" until_true 120 has_written
is_open() { ! is_clean /tmp/scratch.img && ! is_clean /tmp/data.img; }
check "while it runs they are not clean" "" is_open
krata zone stop five >/dev/null 2>&1
check "at its end both are" "$(byte_at /tmp/scratch.img 1082) $(byte_at /tmp/scratch.img 1120), $(byte_at /tmp/data.img 1082) $(byte_at /tmp/data.img 1120)" are_clean
krata zone destroy five >/dev/null 2>&1
out=$(timeout -k 10 180 krata zone launch --name six "${disks[@]}" --attach busybox cat /kept /data/kept 2>&1 </dev/null)
check "what was written stays" "$out" test "$out" = $'kept\ntoo'
krata zone destroy six >/dev/null 2>&1

krata image remove busybox >/dev/null
check "krata image prune takes the packed image too" "$(krata image prune)" sh -c '[ -z "$(ls -A /var/lib/krata/roots)" ]'

zones_end
tell_logs
finish launch
