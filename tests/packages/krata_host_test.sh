#!/bin/bash
# What krata's packages do on a host: the modules that their installation loads, which zones a removal is refused for or tells of, what a
# purge leaves, and that krata-store stays away from another xenstored. Needs root; works in a mount namespace of its own.
# usage: krata_host_test.sh ROOT KRATA-STORE
set -euo pipefail
((EUID == 0)) || { echo "skipped: needs root"; exit 77; }
[[ ${3:-} == inside ]] || exec unshare --mount --propagation private bash "$0" "$1" "$2" inside
store=$2
cd "$1/packaging/debian"
failed=0
fault() { echo "$*" && failed=1; }

mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/lib
mkdir /run/bin
PATH=/run/bin:$PATH
# stub NAME: its body comes from standard input.
stub() { { echo '#!/bin/sh' && cat; } >"/run/bin/$1" && chmod 755 "/run/bin/$1"; }

# --- Modules ---
# Not every host has the folder before the package brings it.
sed 's#/usr/lib/modules-load.d#../modules-load.d#' krata-common.postinst >/run/postinst
stub modprobe <<<'echo "$*" >/run/loaded; exit 1' # as in a container
sh /run/postinst configure || fault "the installation fails where no module can be loaded"
loaded=$(cat /run/loaded 2>/dev/null) || true
[[ $loaded == *--all* && $loaded == *"xenfs xen-privcmd xen-evtchn xen-gntdev xen-gntalloc" ]] ||
  fault "the installation loads: $loaded"

# --- Removal ---
zone=/var/lib/krata/zones/11111111-2222-4333-8444-555555555555
mkdir -p "$zone" "${zone%1*}2" # the second one is no zone's: it has ended
cp "$(command -v sleep)" /run/bin/krata-block
/run/bin/krata-block 1000 &
block=$!
trap 'kill "$block"' EXIT
echo "$block" >"$zone/block.pid"
echo "$$" >"${zone%1*}2/block.pid"

stub krata <<<'echo "{\"zones\":[{\"name\":\"web\",\"domain\":7}]}"'
if said=$(sh ./krata.prerm remove 2>&1); then fault "it is removed while a zone runs"; fi
[[ $said == *"zones run (krata zone list)"* ]] || fault "prerm says: $said"
sh ./krata.prerm upgrade 1 || fault "an upgrade is refused while a zone runs"
stub krata <<<'echo "{\"zones\":[{\"name\":\"web\",\"domain\":null}]}"'
said=$(sh ./krata.prerm remove 2>&1) || fault "it is not removed though no zone runs"
[[ -z $said ]] || fault "prerm says, though no zone runs: $said"

stub krata <<<'exit 2' # nobody answers
said=$(sh ./krata.prerm remove 2>&1) || fault "it is not removed though kratad does not run"
[[ $said == *"keep running without it"*": ${zone##*/}" ]] || fault "prerm says of zones without kratad: $said"
rm -r /var/lib/krata
said=$(sh ./krata.prerm remove 2>&1) || fault "it is not removed where kratad never ran"
[[ -z $said ]] || fault "prerm says where there never was a zone: $said"

mkdir -p "$zone" /run/krata /run/krata-store
sh ./krata.postrm remove && sh ./krata-common.postrm remove
[[ -d $zone ]] || fault "a removal takes the zones' files"
sh ./krata.postrm purge && sh ./krata-common.postrm purge
for folder in /var/lib/krata /run/krata /run/krata-store; do [[ ! -e $folder ]] || fault "a purge leaves $folder"; done

# --- Another xenstored ---
serve() { "$store" --socket /run/krata-store/socket >/run/said 2>&1; }
"$store" --socket /run/xenstored/socket --without-xen &
other=$!
for ((left = 100; left > 0; --left)); do
  [[ ! -S /run/xenstored/socket ]] || break
  sleep 0.1
done
code=0
serve || code=$?
((code == 3)) || fault "beside another xenstored krata-store ends with $code"
[[ $(grep -c . /run/said) == 1 && $(cat /run/said) == *"another xenstored serves at /run/xenstored/socket"* ]] ||
  fault "krata-store says: $(cat /run/said)"
kill -KILL "$other"
wait "$other" 2>/dev/null || true
code=0
serve || code=$?
((code == 2)) || fault "beside the socket of one that was killed krata-store ends with $code, and says: $(cat /run/said)"
for line in SuccessExitStatus=3 RestartPreventExitStatus=3; do grep -qx "$line" ../krata-store.service || fault "krata-store.service lacks $line"; done
exit $failed
