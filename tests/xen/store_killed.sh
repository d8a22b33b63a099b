#!/bin/bash
# krata-store is killed a hundred times while a zone and domain 0's own kernel use it: neither misses an answer, an event or a change.
. /lab/dom0.sh

host_begin
zone_run /tmp/zone --append "console=hvc0 quiet panic=-1 lab.action=exercise" &
zone=$!
until grep -q '^exercise: begun' /tmp/zone; do sleep 0.1; done
krata-lab-zone exercise /dev/xen/xenbus >/tmp/own 2>&1 &
own=$!

deaths=0
while ((deaths < 100)) && kill -0 "$zone" "$own"; do
  sleep "0.0$((RANDOM % 10))"
  store_kill
  deaths=$((deaths + 1))
  store_begin || break
done
check "it was killed a hundred times" "$deaths deaths" test "$deaths" = 100
domain=$(host_facts | sed -n 's/^domains 0 \([0-9]*\)$/\1/p')
store write "/local/domain/$domain/data/stop" now
store write /local/domain/0/data/stop now
wait "$own"
check "domain 0's kernel missed nothing" "$(tail -n 1 /tmp/own)" grep -q '^exercise: .* rounds' /tmp/own
wait "$zone"
check "the zone missed nothing" "$(tr -d '\r' </tmp/zone | grep '^exercise' | tail -n 1)" grep -q '^exercise: .* rounds' /tmp/zone
check "and powered off" "$(tail -n 1 /tmp/zone)" grep -q 'ended with reason 0' /tmp/zone
check "no complaint" "$(wc -l <"$store_dir/log") lines" test ! -s "$store_dir/log"

host_end
finish "$0"
