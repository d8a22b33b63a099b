# shellcheck shell=bash disable=SC2154
# Guests that are Debian 12 hosts as one installs them, with systemd and apt. Each has its own disc, of which every guest
# gets a fresh copy that ends with it, the lab's at /lab, with the scripts and a repository of packages, and Debian's once more, for
# containers (lab/containers.sh).
# Needs: root_dir, cache_dir, log_dir, as_root, kernels.sh, initramfs.sh, guest.sh, scenarios.sh.

# What a server has before krait comes; krait's own dependencies are left to apt.
debian_host_packages=(
  systemd-sysv systemd-container dbus kmod iproute2 iputils-ping nftables wireguard-tools jq procps bash-completion
)
debian_seconds=1500
debian_modules=(virtio_pci virtio_blk ext4 virtio_net) # for the discs and the wire

# What the short life of an emulated guest does without.
debian_masked=(
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
  systemd-tmpfiles-clean.timer e2scrub_reap.service getty.target systemd-journal-flush.service systemd-update-utmp.service
  systemd-update-utmp-runlevel.service systemd-random-seed.service systemd-pstore.service systemd-remount-fs.service
  systemd-logind.service modprobe@dm_mod.service modprobe@loop.service dev-hugepages.mount sys-kernel-tracing.mount sys-kernel-debug.mount sys-kernel-config.mount
  sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount
)

# What reads fstab, crypttab, partitions and the like at each boot and at each daemon-reload, none of which a guest has.
debian_generators=(
  cryptsetup debug fstab getty gpt-auto hibernate-resume integritysetup rc-local run system-update sysv veritysetup
)

# fetch_debian: makes .cache/lab/debian.img, the guests' own disc, and debian-status, what dpkg knows there.
fetch_debian() {
  local image=$cache_dir/lab/debian.img source
  for source in "$root_dir/lab/debian.sh" "$root_dir"/lab/debian/*.service "$cache_dir"/kernels/*/release; do
    [[ $image -nt $source ]] || { make_debian "$image"; return; }
  done
}

# make_debian IMAGE: its files belong to root, so root makes them.
make_debian() {
  local tree=$cache_dir/lab/debian-tree series
  local -a apt_options
  private_apt || return 1
  as_root rm -rf "$tree"
  as_root mmdebstrap --mode=root --variant=minbase --include="$(IFS=, && echo "${debian_host_packages[*]}")" \
    --aptopt='Acquire::Retries "3"' bookworm "$tree" "$(head -n 1 "$cache_dir/apt/sources.list")" || return 1
  as_root mkdir -p "$tree/usr/lib/modules" || return 1
  for series in "${lab_kernels[@]}"; do
    as_root cp -r --no-preserve=ownership -t "$tree/usr/lib/modules" "$cache_dir/kernels/$series"/lib/modules/* || return 1
  done
  cp "$tree/var/lib/dpkg/status" "$cache_dir/lab/debian-status" &&
    as_root bash -c ". '$root_dir/lab/debian.sh' && settle_debian '$tree' '$root_dir/lab/debian'" &&
    as_root mke2fs -q -t ext4 -L debian -d "$tree" "$1.new" 1500M && as_root chown "$(id -u):$(id -g)" "$1.new" &&
    mv "$1.new" "$1" && as_root rm -rf "$tree"
}

# settle_debian TREE SOURCES: the lab's units, and a repository on the lab's disc as apt's only source.
settle_debian() {
  local tree=$1 unit generator
  mkdir -p "$tree/lab" "$tree/etc/systemd/system-generators"
  echo 'deb [trusted=yes] file:/lab/repository ./' >"$tree/etc/apt/sources.list"
  rm -rf "$tree"/var/lib/apt/lists/* "$tree"/etc/apt/sources.list.d/*
  : >"$tree/etc/machine-id"
  echo force-unsafe-io >"$tree/etc/dpkg/dpkg.cfg.d/lab" # the disc ends with the guest
  echo 'Acquire::Languages "none";' >"$tree/etc/apt/apt.conf.d/lab-languages"
  for unit in "${debian_masked[@]}"; do ln -sf /dev/null "$tree/etc/systemd/system/$unit"; done
  for generator in "${debian_generators[@]}"; do ln -s /dev/null "$tree/etc/systemd/system-generators/systemd-$generator-generator"; done
  cp "$2"/*.service "$tree/etc/systemd/system"
  # Its own systemctl: the machine need not have one.
  chroot "$tree" systemctl -q enable lab-wire.service lab-script.service
  chroot "$tree" systemctl -q set-default graphical.target
}

# debian_initramfs SERIES: makes .cache/lab/debian-SERIES.cpio.
debian_initramfs() {
  local output=$cache_dir/lab/debian-$1.cpio tree
  tree=$(mktemp -d "$cache_dir/lab/tree.XXXXXX")
  mkdir -p "$tree"/{bin,dev,proc,sys,root}
  cp "$cache_dir/busybox" "$tree/bin/busybox"
  install -m 755 "$root_dir/lab/debian/init" "$tree/init"
  copy_modules "$cache_dir/kernels/$1" "${debian_modules[@]}" && pack_tree >"$output" && rm -rf "$tree"
}

# fetch_dependencies FOLDER DEB...: the packages that these need and the guests' disc does not have, as apt chooses them.
fetch_dependencies() {
  local folder=$1 archives=$cache_dir/lab/archives
  local -a apt_options
  shift
  private_apt && apt-get "${apt_options[@]}" update || return 1
  mkdir -p "$archives/partial"
  apt-get "${apt_options[@]}" -o "Dir::State::status=$cache_dir/lab/debian-status" -o "Dir::Cache::archives=$archives" \
    -o Debug::NoLocking=1 -o APT::Get::Download-Only=1 --no-install-recommends -y install "$@" || return 1
  cp "$archives"/*.deb "$folder"
}

# later_version DEB FOLDER: the same package with a higher version number.
later_version() {
  local tree=$2/tree
  dpkg-deb -R "$1" "$tree" && sed -i 's/^Version: .*/&+later/' "$tree/DEBIAN/control" &&
    dpkg-deb --root-owner-group -b "$tree" "$2" && rm -rf "$tree"
}

# packed_quickly DEB: with zstd, which an emulated machine unpacks in a fraction of the time that it takes for xz.
packed_quickly() {
  local tree=$1.tree
  dpkg-deb -R "$1" "$tree" && dpkg-deb --root-owner-group -Zzstd -z3 -b "$tree" "$1" && rm -rf "$tree"
}

# lab_disc: makes .cache/lab/lab.img: scripts, tests, the README, the traffic program, krait's packages of this version and of a later
# one, and what they depend on.
lab_disc() {
  local tree=$cache_dir/lab/lab-tree repository package program
  rm -rf "$tree"
  mkdir -p "$tree"/{bin,build,repository,later}
  cp "$root_dir"/build/{krait,krait-coordinator,krata,krata-common}_*.deb "$tree/build" && cp "$tree"/build/*.deb "$tree/repository" &&
    later_version "$tree"/build/krait_*.deb "$tree/later" || return 1
  fetch_dependencies "$tree/repository" "$tree"/repository/*.deb || return 1
  for package in "$tree"/{repository,later}/*.deb; do packed_quickly "$package" || return 1; done
  for repository in repository later; do
    (cd "$tree/$repository" && dpkg-scanpackages --hash sha256 --multiversion . >Packages) || return 1
  done
  cp -r "$root_dir"/lab/* "$root_dir/README.md" "$tree"
  install -D -t "$tree/tests/debian" "$root_dir"/tests/debian/*
  cp "$cache_dir/busybox" "$tree/bin/nc"
  for program in metrics traffic; do
    strip -o "$tree/bin/krait-lab-$program" "$root_dir/build/release/bin/krait-lab-$program" || return 1
  done
  mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0 -d "$tree" "$cache_dir/lab/lab.img.new" 256M &&
    mv "$cache_dir/lab/lab.img.new" "$cache_dir/lab/lab.img"
}

# prepare_debian SERIES...: what run_two_debians needs.
prepare_debian() {
  local series
  fetch_debian && lab_disc || return 1
  for series in "$@"; do debian_initramfs "$series" || return 1; done
}

# run_two_debians SERIES OTHER-SERIES SCRIPT: the first guest leads (role web), the second does what it is told (role db) until it is
# told to power off. Both may reboot.
run_two_debians() { run_pair run_debian "$@"; }

# run_debian SERIES SCRIPT ROLE QEMU-ARGUMENTS...
run_debian() {
  console_log=$(pair_console "$1" "$2" "$3") run_guest "$debian_seconds" "$1" "$cache_dir/lab/debian-$1.cpio" "$2" \
    "$3 panic=0 systemd.show_status=1" -action reboot=reset -smp 1 \
    -drive "file=$cache_dir/lab/debian.img,if=virtio,format=raw,snapshot=on" \
    -drive "file=$cache_dir/lab/lab.img,if=virtio,format=raw,readonly=on" \
    -drive "file=$cache_dir/lab/debian.img,if=virtio,format=raw,readonly=on" "${@:4}"
}
