#!/bin/bash
# Rejects what breaks the dependency law of ARCHITECTURE.md: an #include that reaches where its folder may not, a vendor's
# header outside the folder that wraps it, a folder that the law does not know, effects in a pure folder, a link of CMake's that
# an #include might not follow, a path of somebody's machine. Then plants some of each kind and sees that they are found.
# usage: layering_test.sh ROOT
set -euo pipefail
export LC_ALL=C
# shellcheck source=tests/layering/links.sh
. "$(dirname "${BASH_SOURCE[0]}")/links.sh"

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
  [lab/enter]=""
  [lab/json]="common"
  [lab/metrics]="common common/event"
  [lab/network]="common krait/config krait/control krait/crypto krait/model krait/plan krait/trust"
  [lab/traffic]="common"
  [lab/hostile]=""
  [lab/zone]="common krata/boot krata/store krata/xen"
  [packaging/reference]="common/cli krait/agent krait/cli krait/coordinator krait/link krata/backend krata/cli krata/daemon krata/store"
)

# These may include what they like: nothing of them ships.
free=" bench tests "

# Who wraps a vendor's header: "FOLDER..." and whether headers of ours may show it.
declare -A wrapped_by=(
  [toml++]="krait/config" [libmnl]="common/netlink" [sodium.h]="krait/crypto" [bpf]="krait/datapath krait/bpf"
  [pcap]="krait/inspect" [prometheus]="krait/agent krata/daemon" [spdlog]="common" [CLI]="common/cli lab/zone packaging/reference"
  [nlohmann]="common krata/image" [nftables]="krait/doctor" [archive.h]="krait/doctor"
  [archive_entry.h]="krait/doctor" [systemd]="krait/doctor" [ares.h]="krait/keeper" [xxhash.h]="common" [xen]="krata/store krata/block krata/xen lab/hostile"
  [lzma.h]="krata/kernel krata/boot" [lz4frame.h]="krata/boot" [lz4.h]="krata/boot"
  [curl]="krata/image" [openssl]="krata/image krait/wire" [sqfs]="krata/image" [zlib.h]="krata/image krata/boot" [zstd.h]="krata/image krata/boot"
  [seccomp.h]="common/confine" [sqlite3.h]="krata/state krait/records" [libpq-fe.h]="krait/records"
  [google]="krait/wire"
)
shown_in_headers=" nlohmann "

# What vendors' headers are not: the C library's, the kernel's, C++'s own (no dot), fmt.
systems='^((sys|linux|net|netinet|arpa|asm)/.*|(dirent|elf|errno|fcntl|grp|malloc|poll|pwd|sched|signal|spawn|stdint|stdlib|string|termios|unistd|utime)\.h|fmt/.*|[a-z0-9_]+)$'

# A header that one file alone sees of a folder that wraps it: "FILE...".
declare -A seen_by=([nlohmann]="common/json.h krata/image/json.h" [xen/io/blkif.h]="krata/block/blkif.cc")

# Folders without effects, and their files that have some all the same.
declare -A pure=(
  [krait/model]="" [krait/config]="load.cc" [krait/compile]="" [krait/trust]="" [krait/fleet]=""
  [krata/bundle]="" [krata/channel]="" [krata/model]="" [krata/reconcile]="" [krata/boot]="build.cc"
  [krata/block]="blkif.cc file_medium.cc file_medium.h"
)
effects='^((sys|linux|net|netinet|arpa)/.*|(dirent|fcntl|grp|poll|pwd|sched|signal|spawn|termios|unistd|utime)\.h|fstream|iostream|filesystem|thread|common/(fd|file|log|process|program)\.h)$'

sources() {
  find "$@" -name .cache -prune -o -name build -prune -o -type f -regextype posix-extended -regex '.*\.(h|hh|hpp|c|cc|cpp|cxx|inc|S)' -print
}

contains() { [[ " $1 " == *" $2 "* ]]; }

# "FILE FOLDER KIND TARGET" of every #include in the folders of the law; tests and fuzz targets beside their sources may use more.
includes() {
  local folder blank='[[:space:]]*'
  for folder in "${!may_include[@]}"; do
    [[ -d $1/$folder ]] || continue
    sources "$1/$folder" -maxdepth 1 | xargs -r grep -HoE "^${blank}#${blank}(include|include_next|import)${blank}[\"<][^\">]+" |
      sed -E "s|^([^:]+):[^\"<]*([\"<])(.*)$|\\1 $folder \\2 \\3|"
  done
}

# crosses FOLDER REACHED: what not even a test may: the two programs do not know of each other, nor does common of them, and none of lab.
crosses() {
  case ${1%%/*}:$2 in
    krait:krata/* | krata:krait/* | common:kra?t[at]/* | common:krait/* | common:krata/*) ;;
    common:lab/* | krait:lab/* | krata:lab/*) ;;
    *) return 1 ;;
  esac
}

is_test_file() { [[ $1 == *_@(test|fixture).* || ${1##*/} == *fuzz* ]]; }

# own_breach FILE FOLDER TARGET: of an #include in quotes.
own_breach() {
  local file=$1 folder=$2 target=$3 reached=${3%/*}
  if [[ $target != */* || $target == *../* ]]; then
    echo "$file: \"$target\": write the path from the repository's root"
  elif crosses "$folder" "$target"; then
    echo "$file: $folder may not include $target, not even for tests"
  elif [[ $reached != "$folder" ]] && ! is_test_file "$file" && ! contains "${may_include[$folder]}" "$reached" &&
    ! contains "${may_include[$folder]}" "$target"; then
    echo "$file: $folder may not include $target"
  fi
}

# vendor_breach FILE FOLDER TARGET: of an #include in angle brackets.
vendor_breach() {
  local file=$1 folder=$2 target=$3 vendor=${3%%/*} seen=${seen_by[$3]:-${seen_by[${3%%/*}]:-}}
  if [[ $target == @(common|krait|krata|lab|bench|tests|packaging)/* ]]; then
    echo "$file: <$target>: write what is ours in quotes"
  elif [[ $folder == krait/bpf && ! $target =~ ^(linux/|bpf/bpf_) ]]; then
    echo "$file: $folder sees krait/abi and the kernel's headers only, not <$target>"
  elif [[ $file == *_test.* || $target =~ $systems ]]; then
    return 0
  elif [[ -z ${wrapped_by[$vendor]:-} ]]; then
    echo "$file: <$target>: nobody wraps it"
  elif ! contains "${wrapped_by[$vendor]}" "$folder"; then
    echo "$file: <$target> belongs into ${wrapped_by[$vendor]}"
  elif [[ -n $seen ]] && ! contains "$seen" "${file#"$root/"}"; then
    echo "$file: <$target> belongs into $seen"
  elif [[ $file == *.h && $folder != krait/bpf ]] && ! contains "$shown_in_headers" "$vendor"; then
    echo "$file: <$target> belongs into a .cc file"
  fi
}

# effect_breach FILE FOLDER TARGET: what a pure folder includes of effects.
effect_breach() {
  [[ -n ${pure[$2]+set} && $3 =~ $effects ]] && ! is_test_file "$1" && ! contains "${pure[$2]}" "${1##*/}" || return 0
  echo "$1: <$3>: $2 is pure"
}

# Prints a line for each breach in the tree.
breaches() {
  local root=$1 file folder kind target
  while read -r file folder kind target; do
    if [[ $kind == '"' ]]; then own_breach "$file" "$folder" "$target"; else vendor_breach "$file" "$folder" "$target"; fi
    effect_breach "$file" "$folder" "$target"
  done < <(includes "$1")
  unknown_folders "$1"
  cmake_breaches "$1"
  store_breaches "$1"
  machine_paths "$1"
}

unknown_folders() {
  local file folder
  while read -r file; do
    folder=${file#"$1/"}
    folder=${folder%/*}
    contains "$free" "${folder%%/*}" || [[ -n ${may_include[$folder]+set} ]] || echo "$file: the law says nothing of this folder"
  done < <(sources "$1")
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
  grep -rnIE --exclude-dir=build --exclude-dir=.cache --exclude-dir=.git --exclude=.git "(^|[^A-Za-z0-9._-])$pattern" "$1" |
    sed 's/$/   <- a path of one machine/' || true
}

# plant FILE LINE [WORDS]: the tree with this line must be rejected, with a line that names the file and has these words, or what LINE
# includes. All are in one tree, which is judged once.
plant() {
  mkdir -p "$planted/$(dirname "$1")"
  printf '%s\n' "$2" >>"$planted/$1"
  planted_files+=("$1")
  planted_lines+=("$2")
  expected+=("${3:-$(sed -E 's/.*["<]([^">]+)[">].*/\1/' <<<"$2")}")
}

# Prints each plant that is not found.
missed_plants() {
  local said at
  said=$(breaches "$planted")
  for at in "${!expected[@]}"; do
    grep -F -- "$planted/${planted_files[at]}:" <<<"$said" | grep -qF -- "${expected[at]}" ||
      echo "not found: '${planted_lines[at]}' in ${planted_files[at]}"
  done
}

found=$(breaches "$1")
if [[ -n $found ]]; then
  echo "$found"
  exit 1
fi
[[ $(includes "$1" | wc -l) -gt 50 ]] || { echo "hardly any #include seen: the test looks in the wrong place"; exit 1; }
planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
planted_files=() planted_lines=() expected=()
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
plant common/a_test.cc '#include "krait/model/policy.h"'
plant krait/agent/a_test.cc '#include "krata/xen/hypervisor.h"'
plant krata/daemon/a_fuzz.cc '#include "krait/control/protocol.h"'
plant krait/model/a_test.cc '#include "lab/traffic/state.h"'
plant krait/model/b.cc '#include <krait/config/load.h>'
plant krait/model/b.cc $'#\tinclude "krait/compile/compile.h"'
plant krait/model/b.cc '#include "../config/guard.h"'
plant krait/model/a.inc '#include "krait/config/load.h"'
plant krait/model/a.hpp '#include "krait/config/load.h"'
plant krait/bpf/a.c '#include <stdio.h>'
plant krait/fleet/a.cc '#include <google/protobuf/message_lite.h>'
plant krait/fleet/a.cc '#include <yaml-cpp/yaml.h>'
plant krait/wireguard/a.cc '#include <sodium/crypto_box.h>'
plant common/answer.cc '#include <nlohmann/json.hpp>'
plant krata/block/disk.cc '#include <xen/io/blkif.h>'
plant krait/compile/a.cc '#include <unistd.h>'
plant krait/trust/a.cc '#include "common/file.h"'
plant krait/config/findings.cc '#include "common/file.h"'
plant krata/boot/layout.cc '#include <fcntl.h>'
plant krait/planted/a.cc '#include <string>' 'says nothing of this folder'
plant krait/model/deep/a.cc '#include <string>' 'says nothing of this folder'
plant lab/planted/a.cc '#include <string>' 'says nothing of this folder'
plant lab/json/a.cc '#include "krait/agent/agent.h"'
plant lab/enter/a.cc '#include "common/fd.h"'
plant lab/traffic/a.cc '#include "krait/model/policy.h"'
plant krait/CMakeLists.txt 'target_link_libraries(krait_model PRIVATE krait_config)' 'krait_model, of krait/model, may not link krait_config'
plant krait/config/CMakeLists.txt 'krait_library(krait_config SOURCES load.cc ../compile/rows.cc)' 'may not compile ../compile/rows.cc'
printf '%s\n' 'krait_library(krait_datapath SOURCES a.cc)' >"$planted/krait/datapath/CMakeLists.txt"
plant krait/control/CMakeLists.txt 'krait_library(krait_control SOURCES a.cc DEPS krait_datapath)' 'may not link krait_datapath'
plant krait/model/CMakeLists.txt 'krait_library(krait_model SOURCES a.cc # a note
  PRIVATE_DEPS PkgConfig::SODIUM)' 'PkgConfig::SODIUM, which belongs into krait/crypto'
plant krait/model/CMakeLists.txt 'target_link_libraries(krait_model PRIVATE sodium)' 'links sodium, which nobody wraps'
plant krata/state/CMakeLists.txt 'krait_test(krata_state_test SOURCES a_test.cc DEPS krait_control)' 'may not link krait_control, not even for tests'
# shellcheck disable=SC2016 # CMake's own variable
plant krait/agent/CMakeLists.txt 'add_executable(krait-agent ${PROJECT_SOURCE_DIR}/krata/xen/teller.cc)' 'may not compile'
plant krait/model/CMakeLists.txt 'TARGET_LINK_LIBRARIES(krait_model PRIVATE krait_datapath)' 'may not link krait_datapath'
plant krait/model/CMakeLists.txt 'link_libraries(sodium)' 'link_libraries is of no target'
plant krait/model/CMakeLists.txt 'target_link_options(krait_model PRIVATE -lsodium)' 'links what nobody wraps'
# shellcheck disable=SC2016
plant krait/model/CMakeLists.txt 'target_include_directories(krait_model PRIVATE ${PROJECT_SOURCE_DIR}/krait)' 'finds headers in'
plant cmake/a.cmake 'target_link_libraries(krait_flags INTERFACE krait_model)' 'links krait_model, and so would all'
plant packaging/a.service '# see /ho''me/somebody/notes' 'a path of one machine'
plant common/a.cc '// see /ho''me/somebody/notes' 'a path of one machine'
missed=$(missed_plants)
[[ -z $missed ]] || { echo "$missed"; exit 1; }
echo "the law holds"
