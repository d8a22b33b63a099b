#!/bin/bash
# Twenty zones at a time: begun by clients that go away, destroyed while others run, then all begun and destroyed at once. kratad and the
# store stay small, and nothing is left of any.
. /lab/steps.sh
. /lab/zones.sh

many=20
kratad_max_kib=15360
store_max_kib=5120
zone_max_kib=256 # of kratad and the store for one more

both_kib() { echo $(($(status_kib "$kratad_pid" VmRSS) + $(status_kib "$store_pid" VmRSS))); }
is_begun() { says "idle-$1" '^begin: idle'; }
# all_of COMMAND...: whether it holds for the number of each zone.
all_of() {
  local i
  for ((i = 1; i <= many; i++)); do "$@" "$i" || return 1; done
}
is_gone() { ! krata zone show "idle-$1" >/dev/null 2>&1; }
# launch NUMBER: by a client that waits for the zone's end.
launch() { exec krata zone launch --kernel 0.1-hostile --name "idle-$1" --memory 80M --wait busybox >/dev/null 2>&1; }

zones_begin
add_lab_kernel

# This machine has one CPU, so that one starts at a time. Linux has more to unpack than the others.
linux=(linux-1 linux-2 linux-3)
launch_linux() { for name in "${linux[@]}"; do krata zone launch --name "$name" busybox true >/dev/null || return 1; done; }
two_wait() { [ "$(krata zone list | grep -c 'waits until others have started')" = 2 ]; }
have_ended() { for name in "${linux[@]}"; do is_state "$name" ended || return 1; done; }
check "three of Linux at once" "" launch_linux
check "two wait for their turn" "" until_true 60 two_wait
check "each has it" "" until_true 120 have_ended
before=$(both_kib)

launch_one() {
  launch "$1" &
  until_true 30 is_begun "$1"
  local begun=$?
  kill_hard $!
  return "$begun"
}
check "$many zones, each when the one before it runs; their clients are killed" "" all_of launch_one
check "all of them are there" "$(domains) domains" test "$(domains)" = $((many + 1))
check "each has a process for its disks" "" test "$(pidof krata-block | wc -w)" = $many
after=$(both_kib)
check "one more zone costs kratad and the store little" "$before KiB, now $after KiB" test $((after - before)) -lt $((many * zone_max_kib))
check "kratad is small" "$(status_kib "$kratad_pid" VmRSS) KiB" test "$(status_kib "$kratad_pid" VmRSS)" -le $kratad_max_kib
check "so is the store" "$(status_kib "$store_pid" VmRSS) KiB" test "$(status_kib "$store_pid" VmRSS)" -le $store_max_kib
destroy_one() { krata zone destroy "idle-$1" >/dev/null && is_gone "$1"; }
check "each is destroyed while the others run" "" all_of destroy_one
check "those that ended too" "" destroy_zones
check "no domain is left" "$(domains) domain" until_true 20 only_domain_0

clients=()
for ((i = 1; i <= many; i++)); do
  launch "$i" &
  clients+=($!)
done
check "$many at once" "" until_true 60 all_of is_begun
destroyers=()
for ((i = 1; i <= many; i++)); do
  krata zone destroy "idle-$i" >/dev/null 2>&1 &
  destroyers+=($!)
done
failed=0
for pid in "${destroyers[@]}"; do wait "$pid" || failed=$((failed + 1)); done
check "all are destroyed at once" "$failed fail" test $failed = 0
was_told=0
for pid in "${clients[@]}"; do
  wait "$pid"
  [[ $? != 137 ]] || was_told=$((was_told + 1))
done
check "and whoever waited for one is told" "$was_told are" test $was_told = $many
check "kratad did not grow" "$(status_kib "$kratad_pid" VmRSS) KiB" test "$(status_kib "$kratad_pid" VmRSS)" -le $kratad_max_kib
zones_end
tell_logs
finish many
