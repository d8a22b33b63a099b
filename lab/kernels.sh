# shellcheck shell=bash disable=SC2154
# Debian's cloud kernels, busybox and QEMU for the lab: downloaded from the user's own mirror, unpacked into the cache, never installed.
#
# All apt state is private (.cache/apt), so the user's sources and lists stay as they are and no root is needed.
# Needs: root_dir (the repository) and cache_dir.

# apt_main_entry: "URI SIGNED-BY" of the first entry of apt's sources that serves bookworm main.
apt_main_entry() {
  local parts=/etc/apt/sources.list.d
  {
    find "$parts" -maxdepth 1 -name '*.sources' -exec cat {} + -exec echo \; 2>/dev/null | deb822_entry
    find /etc/apt -maxdepth 2 \( -name 'sources.list' -o -path "$parts/*.list" \) -exec cat {} + 2>/dev/null |
      one_line_entry
  } | head -n 1
}

deb822_entry() {
  awk 'BEGIN { RS = ""; FS = "\n" }
    {
      uri = suites = components = signed = ""; enabled = 1
      for (i = 1; i <= NF; i++) {
        n = index($i, ":"); key = tolower(substr($i, 1, n - 1)); value = substr($i, n + 1)
        gsub(/^[ \t]+|[ \t]+$/, "", value)
        if (key == "uris") { split(value, uris, " "); uri = uris[1] }
        if (key == "suites") suites = " " value " "
        if (key == "components") components = " " value " "
        if (key == "signed-by") signed = value
        if (key == "enabled" && value == "no") enabled = 0
      }
      if (enabled && index(suites, " bookworm ") && index(components, " main ")) print uri, signed
    }'
}

one_line_entry() {
  awk '$1 == "deb" {
      signed = ""; line = $0
      if (match(line, /\[[^]]*\]/)) {
        options = substr(line, RSTART + 1, RLENGTH - 2)
        if (match(options, /signed-by=[^ ]+/)) signed = substr(options, RSTART + 10, RLENGTH - 10)
        sub(/\[[^]]*\] */, "", line)
      }
      n = split(line, word, " ")
      if (word[3] != "bookworm") next
      for (i = 4; i <= n; i++) if (word[i] == "main") { print word[2], signed; next }
    }'
}

# Sets apt_options to a private apt that knows bookworm and bookworm-backports, or the one suite that apt_suite names.
private_apt() {
  local state=$cache_dir/apt${apt_suite:+-$apt_suite} suite uri signed
  read -r uri signed < <(apt_main_entry) || true
  if [[ -z ${uri:-} ]]; then
    echo "no entry for Debian bookworm main in /etc/apt: the lab's kernels come from there" >&2
    return 1
  fi
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
  local option=
  [[ -z $signed ]] || option="[signed-by=$signed] "
  for suite in ${apt_suite:-bookworm bookworm-backports}; do
    printf 'deb %s%s %s main\n' "$option" "$uri" "$suite"
  done >"$state/sources.list"
  apt_options=(
    -q -o "Dir::Etc::sourcelist=$state/sources.list" -o "Dir::Etc::sourceparts=-"
    -o "Dir::State::lists=$state/lists" -o "Dir::Cache=$state/cache" -o "Acquire::Retries=3"
    # The cache belongs to whoever runs this, so apt's own user could not write there.
    -o "APT::Sandbox::User=$(id -un)"
  )
}

# unpack_packages DIRECTORY PACKAGE...: downloads them and unpacks them there.
unpack_packages() {
  local directory=$1 archive
  shift
  local -a apt_options
  private_apt && apt-get "${apt_options[@]}" update || return 1
  rm -rf "$directory"
  mkdir -p "$directory"
  (
    cd "$directory" && apt-get "${apt_options[@]}" download "$@" || return 1
    for archive in ./*.deb; do dpkg-deb -x "$archive" . && rm "$archive" || return 1; done
  )
}

# fetch_static NAME PACKAGE [FILE]: makes .cache/NAME of the package's /bin/FILE (NAME). Not installed, since busybox's package would replace another one of
# the user's.
fetch_static() {
  local new=$cache_dir/$1.new
  [[ ! -e $cache_dir/$1 ]] || return 0
  unpack_packages "$new" "$2" || return 1
  mv "$new/bin/${3:-$1}" "$cache_dir/$1"
  rm -rf "$new"
}
fetch_busybox() { fetch_static busybox busybox-static; }
# Scenarios are forks of bash for the greater part, and without libraries there is less to copy.
fetch_bash() { fetch_static bash bash-static bash-static; }

# fetch_qemu: makes .cache/qemu/usr/bin/qemu-system-x86_64 and what it reads: the one of the backports, under which scenarios take
# a third to nine tenths of the time that they take under bookworm's. The libraries are those of bookworm's, which is installed.
fetch_qemu() {
  [[ ! -e $cache_dir/qemu ]] || return 0
  unpack_packages "$cache_dir/qemu.new" {qemu-system-x86,qemu-system-data,seabios}/bookworm-backports || return 1
  mv "$cache_dir/qemu.new" "$cache_dir/qemu"
}

# fetch_nebula: makes .cache/nebula/usr/bin/nebula.
fetch_nebula() {
  [[ ! -e $cache_dir/nebula ]] || return 0
  unpack_packages "$cache_dir/nebula.new" nebula && mv "$cache_dir/nebula.new" "$cache_dir/nebula"
}

declare -A kept_modules=([dom0]='.*/drivers/xen/.*' [dom0-bench]='.*/drivers/\(xen\|block\)/.*') # of domain 0's kernel, which has many

# unpack_kernel VMLINUZ TO: the ELF file in a bzImage (Documentation/arch/x86/boot.rst of the kernel: no sectors of set-up code are four),
# whose payload ends with its size unpacked. An emulated machine would take a second to unpack it, at each boot.
unpack_kernel() {
  local sectors offset bytes magic
  local -a unpack
  read -r sectors < <(od -An -tu1 -j497 -N1 "$1")
  read -r offset bytes < <(od -An -tu4 -j584 -N8 "$1")
  offset=$(((${sectors/#0/4} + 1) * 512 + offset))
  read -r magic < <(od -An -tx4 -j"$offset" -N4 "$1")
  case $magic in
    184c2102) unpack=(lz4 -dc) ;;
    fd2fb528) unpack=(zstd -dc) ;;
    587a37fd) unpack=(xz -dc) ;;
    *)
      echo "$1 is packed in a way that is not known here: $magic" >&2
      return 1
      ;;
  esac
  head -c $((offset + bytes - 4)) "$1" | tail -c $((bytes - 4)) | "${unpack[@]}" >"$2"
}

# fetch_kernel SERIES [dom0|dom0-bench]: makes .cache/kernels/SERIES/{vmlinuz,vmlinux,release,lib/modules/...} for 6.1 or 6.12; with the second
# word in SERIES-WORD the ordinary kernel, with some modules only: the cloud kernel cannot be domain 0.
fetch_kernel() {
  local series=$1 dir=$cache_dir/kernels/$1${2:+-$2} meta=linux-image-cloud-amd64
  [[ -z ${2:-} ]] || meta=linux-image-amd64
  [[ ! -e $dir/vmlinux ]] || return 0
  local -a apt_options
  private_apt || return 1
  apt-get "${apt_options[@]}" update || return 1
  local package
  package=$(apt-cache "${apt_options[@]}" show "$meta" | awk -v series="$series." '
    $1 == "Version:" { found = index($2, series) == 1 }
    $1 == "Depends:" && found { print $2; exit }')
  if [[ -z $package ]]; then
    echo "the mirror has no kernel $series in $meta" >&2
    return 1
  fi
  rm -rf "$dir" "$dir.new"
  mkdir -p "$dir.new"
  (cd "$dir.new" && apt-get "${apt_options[@]}" download "$package" && dpkg-deb -x ./*.deb .) || return 1
  local release
  release=$(basename "$dir.new"/lib/modules/*)
  mv "$dir.new/boot/vmlinuz-$release" "$dir.new/vmlinuz" && unpack_kernel "$dir.new/vmlinuz" "$dir.new/vmlinux" || return 1
  rm -rf "$dir.new"/*.deb "$dir.new"/usr "$dir.new"/boot
  [[ -z ${2:-} ]] || find "$dir.new/lib/modules/$release/kernel" -type f -not -regex "${kept_modules[$2]}" -delete
  depmod -b "$dir.new" "$release" || return 1
  echo "$release" >"$dir.new/release"
  mv "$dir.new" "$dir"
}
