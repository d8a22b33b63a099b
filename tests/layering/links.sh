# shellcheck shell=bash disable=SC2154,SC2016
# What CMakeLists.txt files link and compile, held against the law of layering_test.sh, which sources this.

# Which folder a library belongs to, beyond those of its header in wrapped_by: "HEADER [FOLDER...]". Static programs take sources of ours
# as they are, and so what those need.
declare -A header_of=(
  [PkgConfig::ARCHIVE]="archive.h" [PkgConfig::BOOT_ZLIB]="zlib.h" [PkgConfig::BOOT_ZSTD]="zstd.h" [PkgConfig::CARES]="ares.h"
  [PkgConfig::LIBBPF]="bpf" [PkgConfig::LZ4]="lz4.h" [PkgConfig::LZMA]="lzma.h" [PkgConfig::MNL]="libmnl" [PkgConfig::NFTABLES]="nftables"
  [PkgConfig::PCAP]="pcap" [PkgConfig::PROMETHEUS_CORE]="prometheus" [PkgConfig::SODIUM]="sodium.h" [PkgConfig::SQLITE]="sqlite3.h"
  [PkgConfig::SQUASHFS]="sqfs" [PkgConfig::SYSTEMD]="systemd" [PkgConfig::ZSTD]="zstd.h" [CLI11::CLI11]="CLI" [CURL::libcurl]="curl"
  [OpenSSL::Crypto]="openssl" [OpenSSL::SSL]="openssl" [PostgreSQL::PostgreSQL]="libpq-fe.h" [SQLite::SQLite3]="sqlite3.h"
  [ZLIB::ZLIB]="zlib.h" [nlohmann_json::nlohmann_json]="nlohmann" [spdlog::spdlog_header_only]="spdlog"
  [\$\{PROTOBUF_LITE_ARCHIVE\}]="google" [\$\{SECCOMP_LIBRARY\}]="seccomp.h" [\$\{XXHASH_ARCHIVE\}]="xxhash.h krata/init"
  [\$\{LAB_XXHASH_ARCHIVE\}]="xxhash.h lab/zone"
)
everybodys=" krait_flags fmt::fmt Threads::Threads "

# A folder that may include one header of another links the library of that header alone, FOLDER_HEADER; but these, which are one library.
declare -A may_link=([krata/model]="krata_bundle" [krait/coordinator]="krait_control")

# "FILE FOLDER CALL TARGET WORD..." of each call that makes a target or adds to one.
cmake_calls() {
  local file folder
  while read -r file; do
    folder=${file#"$1/"}
    folder=${folder%/*}
    sed -E '/^ *#/d; s/ #.*//' "$file" | tr '\n' ' ' | tr ')' '\n' |
      sed -nE "s#^.*\\b(krait_(library|program|test|fuzzer)|add_(library|executable)|(target_)?(link_libraries|include_directories|sources)|(target_)?link_(directories|options)) *\\( *#$file $folder \\L\\1\\E #Ip"
  done < <(find "$1" -type d \( -name build -o -name .cache -o -name .git \) -prune -o -type f \( -name CMakeLists.txt -o -name '*.cmake' \) -print)
}

# Sets folder_of each target, and says in is_test which are tests'.
read_targets() {
  local file folder call target words
  while read -r file folder call target words; do
    case $call in
      krait_test | krait_fuzzer) is_test[$target]=1 ;;
      target_* | link_* | include_*) continue ;;
    esac
    [[ $target != *_test_support ]] || is_test[$target]=1
    folder_of[$target]=$folder
  done
}

# link_breach FILE FOLDER TARGET LINKED: TARGET, of FOLDER, links LINKED.
link_breach() {
  local file=$1 folder=$2 target=$3 linked=$4 reached=${folder_of[$4]:-} allowed=${may_include[$2]} header
  [[ $everybodys != *" $linked "* && $reached != "$folder" ]] || return 0
  if [[ -n $reached ]]; then
    if [[ -n ${is_test[$target]:-} ]]; then
      ! crosses "$folder" "$reached" || echo "$file: $target may not link $linked, not even for tests"
      return 0
    fi
    ! contains "$allowed ${may_link[$folder]:-}" "$reached" || return 0
    ! contains "${may_link[$folder]:-}" "$linked" || return 0
    for header in $allowed; do
      header=${header%.h}
      [[ $linked != "${header//\//_}" ]] || return 0
    done
    echo "$file: $target, of $folder, may not link $linked, of $reached"
  elif [[ -z ${is_test[$target]:-} ]]; then
    header=${header_of[$linked]:-}
    if [[ -z $header ]]; then
      echo "$file: $target links $linked, which nobody wraps"
    elif ! contains "${wrapped_by[${header%% *}]} ${header#* }" "$folder"; then
      echo "$file: $target links $linked, which belongs into ${wrapped_by[${header%% *}]}"
    fi
  fi
}

# source_breach FILE FOLDER TARGET SOURCE: TARGET, of FOLDER, compiles SOURCE.
source_breach() {
  local reached=${4%/*}
  reached=${reached#'${'*'}/'}
  [[ $4 == */* && $reached != "$2" ]] || return 0
  if [[ $4 == *..* || -n ${is_test[$3]:-} ]] || ! contains "${may_include[$2]}" "$reached"; then
    echo "$1: $3, of $2, may not compile $4"
  fi
}

# include_breach FILE FOLDER TARGET WORDS: an #include is a path from the root, or of what is made.
include_breach() {
  local word
  ! contains "$free" "${2%%/*}" || return 0
  for word in $4; do
    [[ $word == @(PUBLIC|PRIVATE|INTERFACE|SYSTEM|'${ROOT}'|'${PROJECT_SOURCE_DIR}'|'${CMAKE_CURRENT_BINARY_DIR}'|'${KRAIT_PROTO_OUT}') ]] ||
      echo "$1: $3 finds headers in $word, where the law does not see whose they are"
  done
}

# everybodys_breach FILE TARGET WORDS: cmake/ gives every target the same, which is no folder's but common's formatting.
everybodys_breach() {
  local word
  for word in $3; do
    [[ -z ${folder_of[$word]:-} || ${folder_of[$word]} == cmake || $word == common_formatting ]] ||
      echo "$1: $2 links $word, and so would all that has it"
  done
}

# Prints a line for each breach in the tree's CMakeLists.txt files.
cmake_breaches() {
  local file folder call target words word calls linking
  local -A folder_of=() is_test=()
  calls=$(cmake_calls "$1")
  read_targets <<<"$calls"
  while read -r file folder call target words; do
    case $call in
      link_* | include_*) contains "$free" "${folder%%/*}" || echo "$file: $call is of no target; say target_$call" ;;
      target_include_*) include_breach "$file" "$folder" "$target" "$words" ;;
      target_link_[do]*) [[ $words != *" -l"* && $call != target_link_dir* ]] || echo "$file: $target links what nobody wraps: $words" ;;
    esac
    [[ $folder != cmake ]] || everybodys_breach "$file" "$target" "$words"
    folder=${folder_of[$target]:-$folder}
    [[ -n ${may_include[$folder]+set} && $call != target_include_* && $call != target_link_[do]* ]] || continue
    linking=
    [[ $call != target_link_libraries ]] || linking=yes
    for word in $words; do
      case $word in
        DEPS | PRIVATE_DEPS | PUBLIC | PRIVATE | INTERFACE) [[ $call == target_sources || $call == add_* ]] || linking=yes ;;
        SOURCES | LABELS | CORPUS | COMPUTES) linking= ;;
        *.cc | *.c | *.h | *.S) source_breach "$file" "$folder" "$target" "$word" ;;
        *) [[ -z $linking ]] || link_breach "$file" "$folder" "$target" "$word" ;;
      esac
    done
  done <<<"$calls"
}
