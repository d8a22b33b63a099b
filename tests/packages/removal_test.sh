#!/bin/bash
# What the package's scripts do as root in /run/krait, a folder of the agent's user: they follow nothing that this user puts there.
# Needs root; works in a mount namespace of its own.
# usage: removal_test.sh ROOT
set -euo pipefail
((EUID == 0)) || { echo "skipped: needs root"; exit 77; }
[[ ${2:-} == inside ]] || exec unshare --mount --propagation private bash "$0" "$1" inside
cd "$1/packaging/debian"
failed=0
fault() { echo "$*" && failed=1; }
as_agent() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }

mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/alice /run/bin
mount -t tmpfs alice /run/alice
mkdir /run/alice/wg0
# What the scripts call; krait tells what it was asked for.
printf '#!/bin/sh\necho "krait $*" >>/run/calls\n' >/run/bin/krait
printf '#!/bin/sh\nexit 1\n' >/run/bin/systemctl
printf '#!/bin/sh\nexit 0\n' >/run/bin/deb-systemd-invoke
chmod 755 /run/bin/*
PATH=/run/bin:$PATH
agents_folder() { mkdir /run/krait && chown 65534:65534 /run/krait && : >/run/calls; }

agents_folder
as_agent ln -s /run/alice /run/krait/bpf
sh ./krait.prerm remove || fault "prerm fails at a link"
[[ ! -s /run/calls ]] || fault "prerm follows a link: $(cat /run/calls)"
sh ./krait.postrm remove || fault "postrm fails at a link"
if ! mountpoint -q /run/alice || [[ ! -d /run/alice/wg0 ]]; then fault "postrm follows a link: what it leads to is unmounted"; fi
[[ ! -e /run/krait ]] || fault "postrm leaves /run/krait"

agents_folder
mkdir /run/krait/bpf
mount -t tmpfs layer1 /run/krait/bpf
mount -t tmpfs layer2 /run/krait/bpf
mkdir /run/krait/bpf/wg0
ln -s /run/alice /run/krait/bpf/alice
sh ./krait.prerm remove || fault "prerm fails"
[[ $(cat /run/calls) == $'krait down\nkrait down --iface=wg0' ]] || fault "prerm took off: $(cat /run/calls)"
sh ./krait.postrm remove || fault "postrm fails"
[[ ! -e /run/krait ]] || fault "postrm leaves what is mounted over the pins"
mountpoint -q /run/alice || fault "postrm follows a link in the pins"
exit $failed
