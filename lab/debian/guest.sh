#!/bin/bash
# What a Debian guest does of the lab's: wire gives it its addresses, script runs the script that the kernel's command line
# names as its role says: web leads, db does what web calls for, also after a reboot. So does a container on db's machine
# (lab/containers.sh), which has a number of its own.
set -u
value() { sed -n "s/.*\\blab\\.$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline; }
LAB_ROLE=$(value role)
export LAB_ROLE PATH=/lab/bin:$PATH HOME=/root

wire() {
  local number=1
  if [[ -e /etc/lab-number ]]; then
    number=$(</etc/lab-number)
  else
    [[ $LAB_ROLE == web ]] || number=2
    hostname "${LAB_ROLE}1"
  fi
  ip addr add "192.0.2.$number/24" dev eth0
  ip addr add "2001:db8::$number/64" dev eth0 nodad
  ip link set eth0 up
}

script() {
  local status=0
  mkdir -p /tmp/krait-lab
  cd /root || return
  if [[ ! -e /etc/lab-number ]]; then
    stty -F /dev/ttyS1 raw -echo
    echo lab-begin >/dev/ttyS1
  fi
  if [[ $LAB_ROLE == db ]]; then
    # nc ignores SIGCHLD, and so would all that it starts: apt, for one, could not wait for its children.
    nc -ll -p 901 -e /usr/bin/env --default-signal=CHLD /lab/remote_call.sh >/dev/null 2>&1
    return
  fi
  bash "$(value script)" </dev/null >/dev/ttyS1 2>&1 || status=$?
  echo "lab-exit: $status" >/dev/ttyS1
  stty -F /dev/ttyS1 >/dev/null # waits until the port has sent everything
  systemctl --no-block poweroff
}

"$1"
