#!/bin/bash
# Zones do to their store rings what no kernel does, one way each: they are not served any more, the log says so, and another zone and domain
# 0's kernel miss nothing.
. /lab/dom0.sh

declare -A domain_of pid_of

# begin_zone NAME: one that uses the store all the time.
begin_zone() {
  local before
  before=$(domains)
  zone_run "/tmp/$1" --append "console=hvc0 quiet panic=-1 lab.action=exercise" &
  pid_of[$1]=$!
  until grep -q '^exercise: begun' "/tmp/$1"; do sleep 0.1; done
  domain_of[$1]=$(domains | grep -vxF "$before")
}

domains() { host_facts | sed -n 's/^domains //p' | tr ' ' '\n'; }
rounds() { sed -n 's/^exercise: \([0-9]*\) rounds.*/\1/p' <(tr -d '\r' <"$1"); }

host_begin
begin_zone good
for kind in jump back taken long; do
  begin_zone "$kind"
  domain=${domain_of[$kind]}
  krata-lab-zone scribble "$domain" "$kind"
  for ((left = 100; left > 0; --left)); do
    ! grep -q "domain $domain broke the protocol" "$store_dir/log" || break
    sleep 0.1
  done
  check "$kind: it is not served any more" "$(tail -n 1 "$store_dir/log" | cut -c 1-120)" \
    grep -q "domain $domain broke the protocol" "$store_dir/log"
  krata-lab-zone destroy "$domain"
done
store_kill
store_begin
memory=$(store_memory)
check "the store is small" "$memory KiB" test "$memory" -lt 5120
store write "/local/domain/${domain_of[good]}/data/stop" now
for ((left = 200; left > 0; --left)); do
  ! grep -q 'rounds' /tmp/good || break
  sleep 0.1
done
check "the other zone missed nothing" "$(tr -d '\r' </tmp/good | grep '^exercise' | tail -n 1)" test "$(rounds /tmp/good)" -gt 20
wait "${pid_of[good]}"

host_end
finish "$0"
