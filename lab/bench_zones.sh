#!/bin/bash
# krata beside Xen's own tools, in domain 0 of one boot of Xen: a zone by `krata zone launch` and a guest by `xl create`, of the same kernel, memory
# and root, one after the other. LAB_ROLE says who serves xenstore to both, since there is one store to a boot: Debian's xenstored, or
# krata-store, and then twenty zones and what krata needs in domain 0 too.
#
# Prints a section in Markdown; lines that begin with "csv," are for a file of their own.
set -u
# shellcheck source=lab/steps.sh
. /lab/steps.sh
# shellcheck source=lab/figures.sh
. /lab/figures.sh
# shellcheck source=lab/zones.sh
. /lab/zones.sh
# shellcheck source=lab/xl.sh
. /lab/xl.sh

compared_with=xl
sides=(krata xl)
rounds=5
memory_mib=256
data_mib=64
again_mib=32
launch_aim=0.6
many=20
many_mib=80
idle_s=30
patience_s=120 # for one zone's line
times=/tmp/times
data=/tmp/data.img

# --- What both have --------------------------------------------------------------------------------------------------

quietly() { "$@" >/tmp/said 2>&1 || die "$* fails: $(</tmp/said)"; }

begin() {
  xl_folders
  mkdir -p "$zones_dir" /var/lib/krata
  mount -t xenfs xenfs /proc/xen
  case $LAB_ROLE in
    xenstored) quietly xenstored_start ;;
    *)
      quietly store_start
      export XENSTORED_RUNDIR=/run/krata-store # for Xen's tools
      ;;
  esac
  quietly kratad_start
  quietly krata kernel add --modules /zone/modules /zone/vmlinuz
  make_image "$zones_dir/busybox"
  quietly krata image import "oci:$zones_dir/busybox" busybox
  make_data
  xl_begin || die "Xen's tools do not start: $(cat "$xl_dir"/*.log)"
}

# A file system with what a guest does, and what it reads.
make_data() {
  local folder=/tmp/data
  mkdir "$folder"
  cat >"$folder/work" <<'END'
echo up
sleep 3 # what is done about that line in domain 0, which has the same CPU, is over by then
times=
# From the disk each time, and not from memory.
read_file() {
  for i in 1 2 3 4 5; do
    echo 3 >/proc/sys/vm/drop_caches || echo failed
    read -r from _ </proc/uptime
    cat "$1" >/dev/null || echo failed
    read -r to _ </proc/uptime
    times="$times $from $to"
  done
}
read_file /data/blob
echo 128 >/sys/block/xvdc/queue/read_ahead_kb || echo failed # the kernel's own, in both
read_file /data/again
echo "read$times"
END
  fill "$folder/blob" $data_mib
  fill "$folder/again" $again_mib
  quietly mke2fs -q -t ext4 -d "$folder" "$data" $((data_mib + again_mib + 16))M
  rm -r "$folder"
}

# fill FILE MIB: with what does not compress to nothing.
fill() { while cat /usr/bin/krata; do :; done 2>/dev/null | head -c $(($2 << 20)) >"$1"; }

now_us() { echo "${EPOCHREALTIME/[.,]/}"; }
# await PATTERN: the next such line of descriptor 3, in `line`. The console's lines end with a carriage return.
await() {
  local said=
  while read -t "$patience_s" -r -u 3 line; do
    line=${line%$'\r'}
    said+=$line$'\n'
    [[ $line != failed ]] || break
    # shellcheck disable=SC2053 # a pattern
    [[ $line != $1 ]] || return 0
  done
  die "no line like $1 comes; instead: $said"
}

# --- A launch --------------------------------------------------------------------------------------------------------

# ran_ms PID...: the CPU that they have had, in all.
ran_ms() {
  local pid
  for pid in "$@"; do cat "/proc/$pid/schedstat"; done | awk '{ sum += $1 } END { printf "%.1f", sum / 1e6 }'
}
less() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", a - b }'; }

# Each sets seconds, from the call to the container's first line; busy_ms, which of them domain 0 worked; own_ms, the CPU of who builds;
# and line: what it says of reading the disk.
launch_krata() {
  local from busy ran
  local -a disks
  from=$(now_us) busy=$(busy_ticks) ran=$(ran_ms "$kratad_pid")
  exec 3< <(exec krata zone launch --name "k$1" --memory "${memory_mib}M" --disk "$data:/data:ro" --attach busybox sh /data/work 2>/dev/null)
  await up
  until_here "$from" "$busy"
  read -ra disks < <(pidof krata-block)
  own_ms=$(less "$(ran_ms "$kratad_pid" "${disks[@]}")" "$ran")
  await "read *"
  exec 3<&-
  quietly krata zone destroy "k$1"
}

launch_xl() {
  local from busy
  mkfifo "$xl_logs/guest-x$1.log"
  xl_config "x$1" "$memory_mib" /var/lib/krata/roots/*.squashfs "$data" >"$xl_dir/config"
  exec 3<>"$xl_logs/guest-x$1.log"
  from=$(now_us) busy=$(busy_ticks)
  { TIMEFORMAT='%3U %3S' && time xl create -q "$xl_dir/config" >"$xl_dir/create.log" 2>&1; } 2>"$xl_dir/time" &
  await up
  until_here "$from" "$busy"
  wait $!
  own_ms=$(awk '{ print ($1 + $2) * 1000 }' "$xl_dir/time")
  await "read *"
  exec 3<&-
  xl_gone "x$1"
  rm "$xl_logs/guest-x$1.log"
}

# until_here MICROSECONDS TICKS
until_here() {
  seconds=$(awk -v us="$(($(now_us) - $1))" 'BEGIN { printf "%.2f", us / 1e6 }')
  busy_ms=$((($(busy_ticks) - $2) * 10))
}

# mib_per_s MIB WORD: of that line, the median of the five reads whose beginnings and ends stand from that word on.
mib_per_s() {
  awk -v line="$line" -v mib="$1" -v at="$2" 'BEGIN {
    split(line, word, " ")
    for (i = at; i < at + 10; i += 2) printf "%.1f\n", mib / (word[i + 1] - word[i]) }' | quantile 2
}

# launches: "ROUND SIDE SECONDS BUSY-MS OWN-MS MIB/S MIB/S-AGAIN" to the times. The first of each, when nothing was read yet, does not count.
launches() {
  local round side speed again
  for ((round = 0; round <= rounds; round++)); do
    for side in $(printf '%s\n' "${sides[@]}" | if ((round % 2)); then tac; else cat; fi); do
      "launch_$side" "$round"
      speed=$(mib_per_s $data_mib 2) again=$(mib_per_s $again_mib 12)
      ((round == 0)) || echo "$round $side $seconds $busy_ms $own_ms $speed $again" >>"$times"
      csv launch "$LAB_ROLE" "$side" "$round" "$seconds" "$busy_ms" "$own_ms" "$speed" "$again"
    done
  done
}

describe() {
  case $1 in
    krata) echo "\`krata zone launch\`, krata-block" ;;
    xl) echo "\`xl create\`, xen-blkback on a loop device" ;;
  esac
}

launch_table() {
  local side ratio
  cat <<END
From the call to the container's first line, ${memory_mib} MiB, image cached; then ${data_mib} MiB read from a disk, five times, and ${again_mib} MiB with 128 KiB
read ahead in both guests, five times. Medians of $rounds rounds in which both have their turn. Relative to \`xl create\` in the same round: median (quartiles).

| | seconds | relative | of them domain 0 worked, ms | who builds, CPU ms | MiB/s read | relative | with 128 KiB ahead | relative |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
END
  for side in "${sides[@]}"; do
    echo "| $(describe "$side") | $(column "$times" "$side" 3 | quantile 2) | $(spread "$times" "$side" 3) | $(column "$times" "$side" 4 | quantile 2) |" \
      "$(column "$times" "$side" 5 | quantile 2) | $(column "$times" "$side" 6 | quantile 2) | $(spread "$times" "$side" 6) |" \
      "$(column "$times" "$side" 7 | quantile 2) | $(spread "$times" "$side" 7) |"
  done
  echo
  ratio=$(ratios "$times" krata 3 | quantile 2)
  aim_line "a launch at most $launch_aim of xl create" "$(holds "$ratio" "<=" $launch_aim)" "$ratio"
  ratio=$(ratios "$times" krata 6 | quantile 2)
  aim_line "block reads at least as fast as xen-blkback's, each guest as it comes" "$(holds "$ratio" ">=" 1)" "$ratio"
  ratio=$(ratios "$times" krata 7 | quantile 2)
  aim_line "and with as much read ahead in both" "$(holds "$ratio" ">=" 1)" "$ratio"
}

# holds A COMPARISON B: 1 or 0.
holds() { awk "BEGIN { print($1 $2 $3) }"; }

# --- Twenty zones ----------------------------------------------------------------------------------------------------

# launch_line NAME: its container says that it is up, to descriptor 3 with its name, and then sleeps.
launch_line() {
  exec krata zone launch --name "$1" --memory "${many_mib}M" --attach busybox sh -c "echo up $1; exec sleep 100000" >&3 2>/dev/null
}

destroy_all() {
  local from
  from=$(now_us)
  destroy_zones || die "a zone is not destroyed"
  until_true 60 only_domain_0
  gone_s=$(awk -v us="$(($(now_us) - from))" 'BEGIN { printf "%.1f", us / 1e6 }')
}

pss_kb() { awk '$1 == "Pss:" { print $2 }' "/proc/$1/smaps_rollup"; }
# switches PID...: how often they have run, in all.
switches() {
  local pid
  for pid in "$@"; do cat "/proc/$pid"/task/*/status; done | awk '/ctxt_switches/ { sum += $2 } END { print sum }'
}

one_by_one() {
  local i from
  for ((i = 1; i <= many; i++)); do
    from=$(now_us)
    launch_line "z$i" &
    await "up z$i"
    echo "$(($(now_us) - from))" >>/tmp/each
    kill_hard $! # what is attached, not the zone
  done
}

at_once() {
  local i from patience_s=600 # the first line comes shortly before the last one
  from=$(now_us)
  for ((i = 1; i <= many; i++)); do launch_line "z$i" & done
  for ((i = 1; i <= many; i++)); do await "up z*"; done
  together_s=$(awk -v us="$(($(now_us) - from))" 'BEGIN { printf "%.1f", us / 1e6 }')
}

# seconds_of HEAD|TAIL: the median of the first five, or of the last.
seconds_of() { "$1" -n 5 /tmp/each | quantile 2 | awk '{ printf "%.2f", $1 / 1e6 }'; }

many_zones() {
  local first last sum zombies
  mkfifo /tmp/lines
  exec 3<>/tmp/lines
  kratad_before=$(status_kib "$kratad_pid" VmRSS) store_before=$(status_kib "$store_pid" VmRSS)
  one_by_one
  at_rest
  destroy_all
  first=$(seconds_of head) last=$(seconds_of tail)
  sum=$(awk '{ sum += $1 } END { printf "%.1f", sum / 1e6 }' /tmp/each)
  cat <<END
$many zones of $many_mib MiB. One after the other, all of them left running: $sum s, the first five $first s each, the last five $last s each. All
destroyed: $gone_s s.
END
  at_once
  destroy_all
  zombies=$(($(domains) - 1))
  echo "At once: $together_s s until the last one's line. All destroyed: $gone_s s; domains that are left: $zombies."
  echo
  csv many "$sum" "$first" "$last" "$together_s" "$gone_s" "$zombies"
  aim_line "$many zones one after the other: the last take at most 1.3 times as long as the first" "$(holds "$last" "<=" "1.3 * $first")" "$last s after $first s"
  aim_line "$many zones at once take no longer than one after the other" "$(holds "$together_s" "<=" "1.1 * $sum")" "$together_s s and $sum s"
  aim_line "no zombie" "$(holds "$zombies" "==" 0)" "$zombies left"
}

# --- What it needs in domain 0 ---------------------------------------------------------------------------------------

row() { echo "| $1 | $(status_kib "$2" VmRSS) | $(status_kib "$2" RssAnon) | $(pss_kb "$2") |"; }

at_rest() {
  local -a disks
  local before woken per_zone kratad store
  read -ra disks < <(pidof krata-block)
  until_true 60 is_quiet
  before=$(switches "$kratad_pid" "$store_pid" "${disks[@]}")
  sleep $idle_s # what is measured is a time
  woken=$(($(switches "$kratad_pid" "$store_pid" "${disks[@]}") - before))
  kratad=$(status_kib "$kratad_pid" VmRSS) store=$(status_kib "$store_pid" VmRSS)
  per_zone=$(($(status_kib "${disks[0]}" VmRSS) + (kratad - kratad_before + store - store_before) / many))
  cat <<END
In domain 0 with $many zones that idle, ${#disks[@]} of them with a process for its disks:

| | resident kB | of its own | its share of what is shared |
| --- | --- | --- | --- |
$(row kratad "$kratad_pid")
$(row krata-store "$store_pid")
$(row "krata-block, one of $many" "${disks[0]}")

Before there was any zone kratad had $kratad_before kB and krata-store $store_before kB.

END
  csv rest "$kratad" "$store" "$(status_kib "${disks[0]}" VmRSS)" "$kratad_before" "$store_before" "$woken"
  aim_line "kratad at most 15 MB" "$(holds "$kratad" "<=" 15360)" "$kratad kB"
  aim_line "the store at most 5 MB" "$(holds "$store" "<=" 5120)" "$store kB"
  aim_line "each zone at most 3 MB: its krata-block, and what kratad and the store have grown by" "$(holds "$per_zone" "<=" 3072)" "$per_zone kB"
  aim_line "nobody wakes up while zones idle" "$(holds "$woken" "==" 0)" "$woken times all of them in $idle_s s"
}

# Nothing has run for two seconds: what the last launch brought with it is over.
is_quiet() {
  local before
  before=$(switches "$kratad_pid" "$store_pid")
  sleep 2
  [[ $(switches "$kratad_pid" "$store_pid") == "$before" ]]
}

begin
cat <<END
## Zones, xenstore by $LAB_ROLE

Xen $(cat /sys/hypervisor/version/major).$(cat /sys/hypervisor/version/minor) in QEMU without KVM, one CPU; domain 0 and the guests run Linux $(uname -r | cut -d - -f 1).
END
launches
launch_table
[[ $LAB_ROLE == xenstored ]] || many_zones
