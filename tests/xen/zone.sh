#!/bin/bash
# A zone boots, says something on its console and powers off; nothing of it is left.
cat /proc/xen/capabilities
ls /dev/xen
krata-lab-zone list
krata-lab-zone run --kernel /zone/vmlinuz --initramfs /zone/initramfs --append "console=hvc0 quiet panic=-1"
krata-lab-zone list
