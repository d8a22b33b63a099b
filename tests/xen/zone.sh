#!/bin/bash
# A zone boots, says something on its console and powers off; nothing of it is left.
. /lab/dom0.sh

host_begin
check "domain 0 is alone" "" grep -x "domains 0" <<<"$facts_before"

zone_run /tmp/zone --append "console=hvc0 quiet panic=-1"
status=$?
check "a zone boots and powers off" "$(grep '^lab-zone' /tmp/zone | tail -n 1)" test "$status" = 0
check "its console speaks" "$(tr -d '\r' </tmp/zone | grep '^zone: up')" grep -q '^zone: up, 1 CPUs' /tmp/zone

zone_run /tmp/two --cpus 2 --append "console=hvc0 quiet panic=-1"
check "another has two CPUs" "$(tr -d '\r' </tmp/two | grep '^zone: up')" grep -q '^zone: up, 2 CPUs' /tmp/two

zone_run /tmp/panic --append "console=hvc0 quiet panic=-1 lab.action=panic"
check "one that panics is told from one that powers off" "$(grep '^lab-zone' /tmp/panic | tail -n 1)" \
  grep -q 'ended with reason [13]' /tmp/panic

zone_run /tmp/none --memory 48 --append "console=hvc0"
check "too little memory is refused" "$(tail -n 1 /tmp/none)" grep -q 'MiB of memory are too little' /tmp/none
zone_run /tmp/much --memory 8000 --append "console=hvc0"
check "more than the machine has is refused" "$(tail -n 1 /tmp/much)" grep -q 'the hypervisor has only' /tmp/much
krata-lab-zone run --kernel /bin/busybox --initramfs /zone/initramfs >/tmp/busybox 2>&1
check "a file that is no kernel is refused" "$(tail -n 1 /tmp/busybox)" grep -q "has no notes for Xen\|no program for x86_64" /tmp/busybox

host_end
finish "$0"
