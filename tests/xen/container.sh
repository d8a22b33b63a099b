#!/bin/bash
# shellcheck disable=SC2016 # what the zones' own shells expand
# What a container has of its image, pulled from a registry, and of the command line: input, exit codes, user, environment and disks; the
# disks' server killed under it.
. /lab/steps.sh
. /lab/zones.sh

image_source=registry
image=$registry/busybox
zones_begin

out=$(echo words | timeout -k 10 180 krata zone launch --name one --attach "$image" sh -c 'cat; echo "and no more"' 2>&1)
check "what is attached is its input, to the end" "$out" test "$out" = $'words\nand no more'
krata zone destroy one >/dev/null 2>&1
most_kb() { awk '$1 == "VmHWM:" { print $2 }' "/proc/$kratad_pid/status"; }
before=$(most_kb)
head -c 30000000 /dev/zero | timeout -k 10 180 krata zone launch --name one --attach "$image" true >/tmp/out 2>&1
grown=$(($(most_kb) - before))
check "input from before the container runs waits outside of kratad" "it grew by $grown kB" test "$grown" -lt 8192
krata zone destroy one >/dev/null 2>&1
timeout -k 10 180 krata zone launch --name one --wait "$image" sh -c 'cat; exit 4' >/tmp/out 2>&1
code=$?
check "the input of a container that nobody attaches to is at its end" "code $code, $(cat /tmp/out)" test "$code" = 4
krata zone destroy one >/dev/null 2>&1

krata zone launch --name two "$image" sh -c 'exec sleep 1000' >/dev/null
check "a zone of the registry's image runs" "$(state_of two)" until_true 120 is_state two running
krata zone exec two nonsense >/dev/null 2>&1
code=$?
check "a command that is not there" "code $code" test "$code" = 127
krata zone exec two /etc/passwd >/dev/null 2>&1
code=$?
check "one that cannot be run" "code $code" test "$code" = 126
check "its user may be another" "$(krata zone exec --user guest two id -u 2>&1)" test "$(krata zone exec --user guest two id -u)" = 1000

on_terminal() { krata zone exec --tty --env PATH=/none two /bin/sh -c 'echo $PATH $TERM' </dev/null | tr -d '\r'; }
check "what exec says of a variable counts, and a terminal has a type" "$(on_terminal)" test "$(on_terminal)" = "/none xterm"
check "the last line of a log, and none" "$(krata zone logs two --tail 0)" test -z "$(krata zone logs two --tail 0)"

check "root hears what a zone's command is" "" grep -q '"command":\["sh"' <<<"$(krata zone show two -o json)"
out=$(su -s /bin/sh krata-block -c 'krata zone show two -o json' 2>&1)
hears_no_command() { grep -q '"name":"two"' <<<"$out" && ! grep -q sleep <<<"$out"; }
check "others see the zone, and not its command" "$out" hears_no_command

# shellcheck disable=SC2016 # what the other user's shell expands
su -s /bin/sh krata-block -c 'for i in 1 2 3 4 5 6 7 8 9 10; do krata zone watch >/dev/null 2>&1 & done; wait' &
watches() { [ "$(pidof krata | wc -w)" = "$1" ]; }
check "of ten that another user watches with two give way" "$(pidof krata | wc -w)" until_true 60 watches 8
check "and who may change something is heard" "$(krata zone exec two hostname 2>&1)" test "$(krata zone exec two hostname)" = two
killall krata
wait $!

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

krata zone destroy two >/dev/null 2>&1

krata zone launch --name three --env A=b --user guest --hostname host "$image" sh -c 'hostname; id -u; echo $A; pwd >&2' >/dev/null
timeout 180 krata zone wait three >/dev/null 2>&1
check "options reach the container" "$(krata zone logs three | tr '\n' ' ')" test "$(krata zone logs three | tr '\n' ' ')" = "host 1000 b /root "
krata zone launch --name three "$image" >/tmp/out 2>&1
check "a name is given once" "$(cat /tmp/out)" grep -q 'is called three already' /tmp/out
krata zone destroy three >/dev/null 2>&1

timeout 180 krata zone launch --name four --wait "$image" nonsense >/tmp/out 2>&1
code=$?
check "a command that is none" "code $code, $(cat /tmp/out)" test "$code" = 127
krata zone destroy four >/dev/null 2>&1

krata zone launch --name much --memory 64G --wait "$image" true >/tmp/out 2>&1
code=$?
check "more memory than the hypervisor has" "code $code, $(cat /tmp/out)" test "$code" != 0
check "it says how much is there" "" grep -q 'the hypervisor has only .* KiB of memory' /tmp/out
krata zone destroy much >/dev/null 2>&1
krata zone launch --name nowhere --kernel 1.2.3 --wait "$image" true >/tmp/out 2>&1
code=$?
check "a kernel that is none" "code $code, $(cat /tmp/out)" grep -q 'krata kernel list' /tmp/out
krata zone destroy nowhere >/dev/null 2>&1

krata zone launch --name busy "$image" sh -c 'trap "exit 0" TERM; while :; do :; done' >/dev/null
check "a container that takes all of its CPU" "$(state_of busy)" until_true 120 is_state busy running
check "may still be spoken to" "$(krata zone exec busy hostname 2>&1)" test "$(krata zone exec busy hostname)" = busy
check "and stopped" "$(krata zone stop busy 2>&1)" is_state busy ended
krata zone destroy busy >/dev/null 2>&1
timeout 180 krata zone launch --name panic --wait "$image" sh -c 'echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger' >/tmp/out 2>&1
code=$?
check "a kernel that panics" "code $code, $(cat /tmp/out)" test "$code" != 0
check "the zone's end says so" "$(krata zone show panic | tr '\n' ' ')" sh -c 'krata zone show panic | grep -q panic'
krata zone destroy panic >/dev/null 2>&1

make_image "$zones_dir/listed" listed
krata image import "oci:$zones_dir/listed" listed >/dev/null 2>&1
out=$(timeout -k 10 180 krata zone launch --name listed --attach listed sh -c 'echo started; ls /listed' 2>&1 </dev/null)
check "an image with access lists, which squashfs cannot hold" "$out" test "$out" = $'started\n/listed'
check "is EROFS" "" sh -c 'od -An -tx1 -j 1024 -N 4 "/var/lib/krata/roots/$(krata zone show listed -o json | grep -o "sha256:[0-9a-f]*" | head -n 1).squashfs" | grep -q "e2 e1 f5 e0"'
krata zone destroy listed >/dev/null 2>&1
krata image remove listed >/dev/null

data=/tmp/data:ro # a name that could be taken for an option
for disk in /tmp/scratch.img "$data"; do mke2fs -q -t ext4 "$disk" 8M >/dev/null 2>&1; done
# is_clean FILE: s_state and s_feature_incompat of the superblock (fs/ext4/ext4.h): unmounted, and no journal to go over.
byte_at() { od -An -tx1 -j "$2" -N 1 "$1" | tr -d ' '; }
is_clean() { [ "$(byte_at "$1" 1082)" = 01 ] && [ $((0x$(byte_at "$1" 1120) & 4)) = 0 ]; }
are_clean() { is_clean /tmp/scratch.img && is_clean "$data"; }
disks=(--disk /tmp/scratch.img:/ --disk "$data:/data")
krata zone launch --name five "${disks[@]}" "$image" sh -c 'echo kept >/kept; echo too >/data/kept; mount -t tmpfs over /data; echo written; exec sleep 1000' >/dev/null
has_written() { krata zone logs five | grep -qx written; }
check "a zone with a scratch disk and another" "" until_true 120 has_written
is_open() { ! is_clean /tmp/scratch.img && ! is_clean "$data"; }
check "while it runs they are not clean" "" is_open
out=$(krata zone launch --name also --disk "$data:/data:ro" "$image" true 2>&1)
check "a disk that is written to is no other zone's" "$out" grep -q "$data is the zone five's" <<<"$out"
krata zone stop five >/dev/null 2>&1
check "at its end both are" "$(byte_at /tmp/scratch.img 1082) $(byte_at /tmp/scratch.img 1120), $(byte_at "$data" 1082) $(byte_at "$data" 1120)" are_clean
krata zone destroy five >/dev/null 2>&1
out=$(timeout -k 10 180 krata zone launch --name six "${disks[@]}" --attach "$image" cat /kept /data/kept 2>&1 </dev/null)
check "what was written stays" "$out" test "$out" = $'kept\ntoo'
krata zone destroy six >/dev/null 2>&1

krata image remove "$image" >/dev/null
check "krata image prune takes the packed image too" "$(krata image prune)" sh -c '[ -z "$(ls -A /var/lib/krata/roots)" ]'

zones_end
tell_logs
finish container
