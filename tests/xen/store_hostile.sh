#!/bin/bash
# Zones do to the store what no kernel does, one way each (lab/hostile): whoever breaks its ring is not served any more, and the log says
# so; whoever asks for too much is refused. Another zone and domain 0's kernel miss nothing.
. /lab/dom0.sh

declare -A domain_of pid_of

hostile_run() {
  : >"/tmp/$1"
  zone_run "/tmp/$1" --kernel /zone/hostile --name "$1" --memory 24 >/dev/null & # most of them are ended from outside
  pid_of[$1]=$!
  until grep -q "^begin: $1" "/tmp/$1"; do
    kill -0 "${pid_of[$1]}" || return 1
    sleep 0.02
  done
  domain_of[$1]=$(sed -n 's/^lab-zone: domain \([0-9]*\) built.*/\1/p' "/tmp/$1")
}

is_given_up() { grep -q "domain ${domain_of[$1]} broke the protocol" "$store_dir/log"; }
says() { grep -q "$2" "/tmp/$1"; }
lines_of() { tr -d '\r' <"/tmp/$1" | grep -E '^(ok|WRONG)'; }

host_begin
hostile_run good
for way in store-jump store-back store-taken store-long store-negative; do
  hostile_run "$way"
  check "$way: it is not served any more" "" until_true 20 is_given_up "$way"
  krata-lab-zone destroy "${domain_of[$way]}"
done
check "each is told once" "$(wc -l <"$store_dir/log") lines" test "$(wc -l <"$store_dir/log")" = 5

hostile_run store-own
check "store-own: the store goes by its own indices" "" until_true 20 says store-own '^done'
! is_given_up store-own || check "store-own: it harms itself alone" "" false
krata-lab-zone destroy "${domain_of[store-own]}"

for way in store-mute store-limits store-foreign store-transactions store-storm; do
  hostile_run "$way"
  wait "${pid_of[$way]}"
  while read -r line; do check "$way: ${line#*: }" "" test "${line%%:*}" = ok; done < <(lines_of "$way")
  check "$way: it comes to its end" "" says "$way" "^end: $way"
done

hostile_run store-watch
until_true 20 says store-watch '^watching'
zone_run /tmp/other --kernel /zone/hostile --name store-transactions --memory 24
store write "/local/domain/${domain_of[store-watch]}/data/stop" now
wait "${pid_of[store-watch]}"
check "store-watch" "$(lines_of store-watch)" says store-watch '^ok: it is told nothing'

memory=$(store_memory)
check "the store is small" "$memory KiB" test "$memory" -lt 5120
store write "/local/domain/${domain_of[good]}/data/stop" now
wait "${pid_of[good]}"
check "the other zone missed nothing" "$(lines_of good)" says good '^ok: rounds'

host_end
finish "$0"
