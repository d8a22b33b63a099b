#!/bin/bash
# A zone boots, says something on its console and powers off; nothing of it is left.
mount -t xenfs xenfs /proc/xen
cat /proc/xen/capabilities
mkdir -p /run/store
krata-store --socket /run/store/socket --state /run/store/state &
sleep 1
krata-lab-zone list
timeout 40 krata-lab-zone run --store /run/store/socket --kernel /zone/vmlinuz --initramfs /zone/initramfs --append "console=hvc0 panic=-1"
krata-lab-zone list
