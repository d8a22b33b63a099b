# shellcheck shell=bash disable=SC2154,SC2034
# Xen's own tools in domain 0, as Debian has them: what krata is measured beside. Needs zones.sh.

xl_dir=/tmp/xl
xl_logs=/var/log/xen/console

xl_folders() {
  ln -sfn /run /var/run
  mkdir -p /run/lock /run/xen /run/xenstored /var/lib/xen /var/lib/xenstored "$xl_logs" "$xl_dir"
  ln -sfn /run/lock /var/lock
  ln -sf /proc/self/fd/0 /dev/stdin # by which the hotplug scripts compare files
  : >/etc/xen/xl.conf
  mkdir -p /dev/pts # for xenconsoled
  mount -t devpts devpts /dev/pts
}

# xenstored_start: Xen's own store, the only one until the next boot: domain 0's kernel keeps to the one that it found first.
xenstored_start() {
  xenstored -N --pid-file /run/xenstored/pid >"$xl_dir/xenstored.log" 2>&1 &
  store_pid=$!
  until_true 60 test -S /run/xenstored/socket
}

# xl_begin: what Debian's init script does, on the store that runs already; and what a zone of xl's boots.
xl_begin() {
  xen-init-dom0 >"$xl_dir/init.log" 2>&1 || return 1
  xenconsoled -i --log=guest --log-dir="$xl_logs" >"$xl_dir/consoled.log" 2>&1 &
  xl_initramfs
}

# xl_initramfs: the same modules that krata gives its zones; in krata-init's place a script that does less.
xl_initramfs() {
  local tree=$xl_dir/tree
  mkdir -p "$tree"/{bin,dev,proc,image,scratch,root}
  cp /bin/busybox "$tree/bin/busybox"
  cp /lab/xl_init "$tree/init"
  { cat /var/lib/krata/kernels/*/modules.cpio && (cd "$tree" && find . | cpio -o -H newc 2>/dev/null); } >"$xl_dir/initramfs"
}

# xl_config NAME MEMORY-MIB ROOT DATA: prints it.
xl_config() {
  cat <<END
name = "$1"
type = "pv"
kernel = "/zone/vmlinuz"
ramdisk = "$xl_dir/initramfs"
extra = "console=hvc0 loglevel=4 panic=-1 cryptomgr.notests rdinit=/init"
memory = $2
vcpus = 1
disk = ["format=raw,vdev=xvda,access=ro,target=$3", "format=raw,vdev=xvdc,access=ro,target=$4"]
END
}

# xl_gone NAME: ends it, and waits until nothing of it is left.
xl_gone() {
  xl destroy "$1" >/dev/null 2>&1
  until_true 60 only_domain_0
}
