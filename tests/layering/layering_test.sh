#!/bin/bash
# Rejects what breaks the dependency law of ARCHITECTURE.md: an #include that reaches where its folder may not, a vendor's
# header outside the folder that wraps it, a path of somebody's machine. Then plants one of each in a copy and sees that
# it is found.
# usage: layering_test.sh ROOT
set -euo pipefail
export LC_ALL=C

# What a folder may include besides itself: folders, or single headers of them.
declare -A may_include=(
  [common]=""
  [common/cli]="common"
  [common/confine]="common"
  [common/event]="common"
  [common/frame]="common common/cli/options.h common/event"
  [common/netlink]="common"
  [krait/abi]=""
  [krait/bpf]="krait/abi"
  [krait/model]="common krait/abi"
  [krait/crypto]="common"
  [krait/trust]="common krait/abi krait/model krait/crypto"
  [krait/config]="common krait/abi krait/model"
  [krait/compile]="common krait/abi krait/model"
  [krait/plan]="common krait/abi krait/model krait/crypto krait/trust krait/config krait/compile"
  [krait/rundir]="common"
  [krait/datapath]="common common/netlink krait/abi krait/bpf krait/model krait/rundir"
  [krait/wireguard]="common common/netlink krait/model krait/crypto"
  [krait/control]="common common/event krait/abi krait/model krait/datapath/state.h krait/wireguard/state.h"
  [krait/enforce]="common common/event common/netlink krait/abi krait/model krait/config krait/compile krait/plan krait/rundir krait/control krait/datapath krait/wireguard krait/trust"
  [krait/keeper]="common common/event common/netlink krait/model krait/control krait/enforce krait/wireguard"
  [krait/agent]="common common/cli/options.h common/event common/frame krait/abi krait/model krait/plan krait/rundir krait/control krait/enforce krait/keeper"
  [krait/doctor]="common common/event common/netlink krait/abi krait/model krait/config krait/plan krait/rundir krait/control krait/enforce krait/datapath krait/wireguard"
  [krait/cli]="common common/cli common/event krait/abi krait/model krait/plan krait/rundir krait/control"
  [krait/inspect]="common common/cli common/netlink krait/abi krait/model krait/config krait/compile krait/plan krait/rundir krait/control krait/enforce krait/datapath krait/wireguard krait/doctor krait/cli"
  [krait/wire]="common common/event krait/model krait/v1"
  [krait/fleet]="common krait/abi krait/model krait/crypto krait/trust krait/config"
  [krait/records]="common common/event krait/crypto"
  [krait/link]="common common/cli/options.h common/event common/frame common/netlink krait/model krait/control krait/crypto krait/trust krait/wire"
  [krait/join]="common common/event krait/model krait/config krait/control krait/crypto krait/trust krait/plan krait/wireguard krait/wire krait/fleet krait/link krait/cli"
  [krait/coordinator]="common common/cli common/event krait/model krait/control/version.h krait/crypto krait/trust krait/config krait/plan krait/wire krait/fleet krait/records"
  [krata/image]="common"
  [krata/bundle]="common krata/image/json.h"
  [krata/channel]="common krata/bundle"
  [krata/init]="common common/event krata/bundle krata/channel"
  [krata/block]="common"
  [krata/backend]="common common/cli/options.h common/confine common/event common/frame krata/block krata/store/client.h krata/xen"
  [krata/kernel]="common krata/image"
  [krata/xen]="common"
  [krata/boot]="common krata/xen"
  [krata/model]="common krata/bundle/check.h"
  [krata/reconcile]="common krata/model"
  [krata/state]="common krata/model"
  [krata/console]="common"
  [krata/control]="common common/event krata/console krata/model"
  [krata/daemon]="common common/cli/options.h common/event common/frame krata/block/counters.h krata/boot krata/bundle krata/channel krata/console krata/control krata/kernel krata/model krata/reconcile krata/state krata/store/client.h krata/xen"
  [krata/cli]="common common/cli common/event krata/console krata/control krata/image krata/kernel krata/model krata/store/serving.h"
  [krata/store]="common common/cli/options.h common/confine common/event common/frame krata/xen"
  [lab/metrics]="common common/event"
  [lab/network]="common krait/config krait/control krait/crypto krait/model krait/plan krait/trust"
  [lab/traffic]="common"
  [lab/hostile]=""
  [lab/zone]="common krata/boot krata/store krata/xen"
  [packaging/reference]="common/cli krait/agent krait/cli krait/coordinator krait/link krata/backend krata/cli krata/daemon krata/store"
)

# Who wraps a vendor's header: "FOLDER..." and whether headers of ours may show it.
declare -A wrapped_by=(
  [toml++]="krait/config" [libmnl]="common/netlink" [sodium.h]="krait/crypto" [bpf]="krait/datapath krait/bpf"
  [pcap]="krait/inspect" [prometheus]="krait/agent krata/daemon" [spdlog]="common" [CLI]="common/cli lab/zone packaging/reference"
  [nlohmann]="common krata/image" [nftables]="krait/doctor" [archive.h]="krait/doctor"
  [archive_entry.h]="krait/doctor" [systemd]="krait/doctor" [ares.h]="krait/keeper" [xxhash.h]="common" [xen]="krata/store krata/block krata/xen lab/hostile"
  [lzma.h]="krata/kernel krata/boot" [lz4frame.h]="krata/boot" [lz4.h]="krata/boot"
  [curl]="krata/image" [openssl]="krata/image krait/wire" [sqfs]="krata/image" [zlib.h]="krata/image krata/boot" [zstd.h]="krata/image krata/boot"
  [seccomp.h]="common/confine" [sqlite3.h]="krata/state krait/records" [libpq-fe.h]="krait/records"
)
shown_in_headers=" nlohmann "

sources() { find "$@" -name .cache -prune -o -name build -prune -o -type f \( -name '*.h' -o -name '*.cc' -o -name '*.c' \) -print; }

contains() { [[ " $1 " == *" $2 "* ]]; }

# "FILE FOLDER KIND TARGET" of every #include in the folders of the law; tests and fuzz targets beside their sources may use more.
includes() {
  local folder
  for folder in "${!may_include[@]}"; do
    [[ -d $1/$folder ]] || continue
    sources "$1/$folder" -maxdepth 1 | xargs -r grep -HoE '^ *# *include *["<][^">]+' |
      sed -E "s|^([^:]+):.*include *([\"<])(.*)$|\\1 $folder \\2 \\3|"
  done
}

# Prints a line for each breach in the tree.
breaches() {
  local file folder kind target reached vendor
  while read -r file folder kind target; do
    if [[ $kind == '"' ]]; then
      reached=${target%/*}
      if [[ $target != */* ]]; then
        echo "$file: \"$target\": write the path from the repository's root"
      elif [[ $reached != "$folder" && $file != *_@(test|fixture).* && $file != */*fuzz*.* ]] &&
        ! contains "${may_include[$folder]}" "$reached" && ! contains "${may_include[$folder]}" "$target" && [[ $target != *.skel.h ]]; then
        echo "$file: $folder may not include $target"
      fi
      continue
    fi
    vendor=${target%%/*}
    [[ -n ${wrapped_by[$vendor]:-} && $file != *_test.cc ]] || continue
    if ! contains "${wrapped_by[$vendor]}" "$folder"; then
      echo "$file: <$target> belongs into ${wrapped_by[$vendor]}"
    elif [[ $file == *.h && $folder != krait/bpf ]] && ! contains "$shown_in_headers" "$vendor"; then
      echo "$file: <$target> belongs into a .cc file"
    fi
  done < <(includes "$1")
  store_breaches "$1"
  machine_paths "$1"
}

# In krata/store only wire.cc sees one of Xen's headers, that of the protocol, and only these files have effects.
store_breaches() {
  local effects='client|journal|server|rings|run|main'
  [[ -d $1/krata/store ]] || return 0
  { sources "$1/krata/store" | grep -vE '/wire\.cc$' | xargs -r grep -HE '^ *# *include *<xen/' |
      sed 's/$/   <- only wire.cc includes it/'
    sources "$1/krata/store" | grep -vE "/($effects)(_test)?\\.(h|cc)$" |
      xargs -r grep -HE '^ *# *include *(<(sys/|unistd|fcntl)|"common/(fd|file|process)|"krait/|"krata/xen/(event|grants|hypervisor|own|requests|xen))' |
      sed 's/$/   <- the store is pure but for its server, rings and journal/'
  } || true
}

machine_paths() {
  local pattern='/(ho''me|wo''rk|Us''ers)/[a-z]'
  { sources "$1"; find "$1" -maxdepth 3 -type f \( -name '*.sh' -o -name 'CMake*' -o -name '*.md' -o -name x \) \
    -not -path '*/build/*' -not -path '*/.*'; } |
    sort -u | xargs -r grep -nE "(^|[^A-Za-z0-9._-])$pattern" | sed 's/$/   <- a path of one machine/' || true
}

# plant FILE LINE: the tree with this line must be rejected.
plant() {
  local tree
  tree=$(mktemp -d)
  mkdir -p "$tree/$(dirname "$1")"
  printf '%s\n' "$2" >"$tree/$1"
  if [[ -z $(breaches "$tree") ]]; then
    echo "not found: '$2' in $1"
    rm -rf "$tree"
    return 1
  fi
  rm -rf "$tree"
}

found=$(breaches "$1")
if [[ -n $found ]]; then
  echo "$found"
  exit 1
fi
[[ $(includes "$1" | wc -l) -gt 50 ]] || { echo "hardly any #include seen: the test looks in the wrong place"; exit 1; }
plant common/a.h '#include "krait/model/policy.h"'
plant common/a.cc '#include "common/event/loop.h"'
plant common/event/a.cc '#include <libmnl/libmnl.h>'
plant krait/model/a.cc '#include "krait/config/load.h"'
plant krait/config/a.cc '#include "krait/compile/compile.h"'
plant krait/trust/a.cc '#include "krait/config/load.h"'
plant krait/wireguard/a.cc '#include <sodium.h>'
plant krait/compile/a.cc '#include "krait/datapath/datapath.h"'
plant krait/wireguard/a.cc '#include "krait/agent/agent.h"'
plant krait/doctor/a.cc '#include "krait/cli/command.h"'
plant krait/control/a.cc '#include "krait/datapath/datapath.h"'
plant krait/keeper/a.cc '#include "krait/datapath/datapath.h"'
plant krait/datapath/a.cc '#include "krait/wireguard/wireguard.h"'
plant krait/doctor/a.h '#include <nftables/libnftables.h>'
plant krait/bpf/a.c '#include "krait/model/policy.h"'
plant krait/agent/a.cc '#include "agent.h"'
plant krait/agent/a.cc '#include <libmnl/libmnl.h>'
plant krait/config/a.h '#include <toml++/toml.h>'
plant krait/cli/a.h '#include <CLI/CLI.hpp>'
plant krait/cli/a.cc '#include "krait/datapath/packet_runner.h"'
plant krait/cli/a.cc '#include "krait/wireguard/wireguard.h"'
plant krait/cli/a.cc '#include "krait/enforce/left_over.h"'
plant krait/cli/a.cc '#include "common/netlink/links.h"'
plant krait/rundir/a.cc '#include "krait/datapath/datapath.h"'
plant krait/agent/a.cc '#include <bpf/libbpf.h>'
plant krait/fleet/a.cc '#include "krait/wire/message.h"'
plant krait/fleet/a.cc '#include "krait/records/store.h"'
plant krait/link/a.cc '#include "krait/coordinator/service.h"'
plant krait/link/a.cc '#include "krait/plan/plan.h"'
plant krait/wire/a.h '#include <openssl/ssl.h>'
plant krait/coordinator/a.cc '#include <sqlite3.h>'
plant krait/coordinator/a.cc '#include "krait/v1/wire.pb.h"'
plant krait/records/a.cc '#include "krait/fleet/network.h"'
plant krait/agent/a.cc '#include "krait/link/core.h"'
plant krata/image/a.cc '#include "krata/cli/command.h"'
plant krata/image/a.cc '#include "krait/control/protocol.h"'
plant krata/cli/a.cc '#include <curl/curl.h>'
plant krata/image/a.h '#include <sqfs/super.h>'
plant krata/store/a.cc '#include "krait/model/policy.h"'
plant krata/init/a.cc '#include "krata/image/json.h"'
plant krata/init/a.cc '#include "krata/kernel/store.h"'
plant krata/channel/a.cc '#include "krata/init/zone.h"'
plant krata/bundle/a.cc '#include "krata/image/store.h"'
plant krata/kernel/a.cc '#include "krata/bundle/bundle.h"'
plant krata/block/a.h '#include <xen/io/blkif.h>'
plant krata/image/a.cc '#include <lzma.h>'
plant krait/agent/a.cc '#include "krata/store/store.h"'
plant krata/store/a.h '#include <xen/io/xs_wire.h>'
plant krata/store/a.cc '#include <xen/io/xs_wire.h>'
plant krata/reconcile/a.cc '#include "krata/state/state.h"'
plant krata/model/a.cc '#include <sqlite3.h>'
plant krata/store/tree.cc '#include "common/fd.h"'
plant krata/store/tree.cc '#include "krata/xen/hypervisor.h"'
plant krata/xen/a.h '#include <xen/xen.h>'
plant krata/boot/a.cc '#include <xen/xen.h>'
plant krata/boot/a.cc '#include "krata/store/store.h"'
plant krata/xen/a.cc '#include "krata/boot/build.h"'
plant krata/image/a.cc '#include <lzma.h>'
plant common/a.cc '// see /ho''me/somebody/notes'
echo "the law holds"
