# shellcheck shell=bash disable=SC2034,SC2154
# In domain 0: what scenarios with zones begin and end with. Needs steps.sh.

zones_dir=/tmp/zones
kratad_pid=
store_pid=

# tar_header NAME TYPE BYTES: a block of an archive (pax of POSIX.1-2017). field TEXT BYTES: filled up with zeros.
field() { printf "%-$2s" "$1" | tr ' ' '\0'; }
tar_header() {
  local file sum
  file=$(mktemp)
  {
    field "$1" 100 # then mode, owner, group, size, time, check sum
    field 0000644 8
    field 0000000 8
    field 0000000 8
    printf '%011o\0%011o\0        %s' "$3" 0 "$2"
    field '' 100
    field ustar 6
    printf 00
  } >"$file"
  sum=$(od -An -v -tu1 "$file" | awk '{ for (i = 1; i <= NF; i++) sum += $i } END { printf "%06o", sum }')
  head -c 148 "$file"
  printf '%s\0 ' "$sum"
  tail -c +157 "$file"
  head -c $((512 - $(wc -c <"$file"))) /dev/zero
  rm "$file"
}

# listed_file: the beginning of an archive, an empty file with an access list (include/uapi/linux/posix_acl_xattr.h of Linux): squashfs
# cannot hold it.
listed_file() {
  tar_header pax x 85
  printf '85 SCHILY.xattr.system.posix_acl_access=\x02\0\0\0'
  printf '\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\xe8\x03\0\0\x04\0\x04\0\xff\xff\xff\xff\x10\0\x04\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff\n'
  head -c $((512 - 85)) /dev/zero
  tar_header listed 0 0
}

# make_image FOLDER [LISTED]: an OCI layout of busybox alone, tagged latest. With the second word it has a file with an access list too.
make_image() {
  local folder=$1 tree layer config manifest
  tree=$(mktemp -d)
  chmod 755 "$tree" # the image's own root: other users walk through it
  mkdir -p "$tree"/{bin,etc,tmp,root} "$folder/blobs/sha256"
  cp /bin/busybox "$tree/bin/busybox"
  local applet
  for applet in sh echo cat sleep ls id uname hostname kill true false env mount df dd wc printf date sync head tr; do
    ln -s busybox "$tree/bin/$applet"
  done
  printf 'root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000:guest:/tmp:/bin/sh\n' >"$tree/etc/passwd"
  printf 'root:x:0:\nguest:x:1000:\n' >"$tree/etc/group"
  { [[ -z ${2:-} ]] || listed_file; (cd "$tree" && tar -cf - .); } >"$folder/layer"
  layer=$(put_blob "$folder" "$folder/layer")
  printf '{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin","COLOUR=blue"],"Cmd":["sh"],"WorkingDir":"/root","StopSignal":"SIGTERM"},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "${layer%% *}" >"$folder/config"
  config=$(put_blob "$folder" "$folder/config")
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":%s}]}' \
    "${config% *}" "${config#* }" "${layer% *}" "${layer#* }" >"$folder/manifest"
  manifest=$(put_blob "$folder" "$folder/manifest")
  printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"annotations":{"org.opencontainers.image.ref.name":"latest"}}]}' \
    "${manifest% *}" "${manifest#* }" >"$folder/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$folder/oci-layout"
  rm -rf "$tree"
}

# put_blob FOLDER FILE: moves the file to its digest's place; "HEX SIZE".
put_blob() {
  local hex size
  hex=$(sha256sum "$2" | cut -d ' ' -f 1)
  size=$(wc -c <"$2")
  mv "$2" "$1/blobs/sha256/$hex"
  echo "$hex $size"
}

store_start() {
  mkdir -p /run/krata-store
  krata-store --socket /run/krata-store/socket --state /run/krata-store/state --user krata-store >"$zones_dir/store.log" 2>&1 &
  store_pid=$!
  until_true 60 test -S /run/krata-store/socket
}

kratad_start() {
  kratad >>"$zones_dir/kratad.log" 2>&1 &
  kratad_pid=$!
  until_true 90 krata zone list
}

# kill_hard PID: SIGKILL, and waits for its end.
kill_hard() {
  kill -KILL "$1"
  wait "$1" 2>/dev/null
}

daemons_kill() {
  kill_hard "$kratad_pid"
  kill_hard "$store_pid"
  [[ -z $registry_pid ]] || kill_hard "$registry_pid"
}

# registry_put FOLDER NAME: the OCI layout's image as a registry keeps it (docker/registry/v2 of Distribution's filesystem driver).
registry_put() {
  local root=$zones_dir/registry/docker/registry/v2 blob hex manifest
  manifest=$(sed 's/.*"digest":"sha256:\([0-9a-f]*\)".*/\1/' "$1/index.json")
  local repository=$root/repositories/$2
  for blob in "$1"/blobs/sha256/*; do
    hex=${blob##*/}
    mkdir -p "$root/blobs/sha256/${hex:0:2}/$hex" "$repository/_layers/sha256/$hex"
    cp "$blob" "$root/blobs/sha256/${hex:0:2}/$hex/data"
    printf 'sha256:%s' "$hex" >"$repository/_layers/sha256/$hex/link"
  done
  local link
  for link in "revisions/sha256/$manifest" tags/latest/current "tags/latest/index/sha256/$manifest"; do
    mkdir -p "$repository/_manifests/$link"
    printf 'sha256:%s' "$manifest" >"$repository/_manifests/$link/link"
  done
}

registry=127.0.0.1:5000
registry_pid=
image_source=import

# registry_start: on domain 0's loopback.
registry_start() {
  ip link set lo up
  printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "%s"}\n' \
    "$zones_dir/registry" "$registry" >"$zones_dir/registry.yml"
  docker-registry serve "$zones_dir/registry.yml" >"$zones_dir/registry.log" 2>&1 &
  registry_pid=$!
  until_true 60 bash -c "exec 3<>/dev/tcp/${registry/://}"
}

# zones_begin: the daemons, a kernel, and the image busybox, imported, or pulled from a registry here (image_source=registry).
zones_begin() {
  trap daemons_kill EXIT # another scenario may follow
  mkdir -p "$zones_dir" /var/lib/krata
  : >"$zones_dir/kratad.log" # that of the scenario before says nothing about this one
  [ -e /proc/xen/capabilities ] || mount -t xenfs xenfs /proc/xen
  check "krata-store serves xenstore" "" store_start
  check "kratad is there" "" kratad_start
  check "krata kernel add" "$(krata kernel add --modules /zone/modules /zone/vmlinuz 2>&1 | head -n 1)" \
    test "$(krata kernel list -o json | grep -c '"kernel":')" = 1
  make_image "$zones_dir/busybox"
  if [[ $image_source == registry ]]; then
    registry_put "$zones_dir/busybox" busybox
    check "a registry serves on domain 0's loopback" "" registry_start
    check "krata image pull" "$(krata image pull "$registry/busybox" 2>&1 | tail -n 1)" krata image show "$registry/busybox"
    return
  fi
  check "krata image import" "$(krata image import "oci:$zones_dir/busybox" busybox 2>&1 | head -n 1)" krata image show busybox
}

# store OPERATION ARGUMENT...: see krata-lab-zone store --help.
store() { krata-lab-zone store /run/krata-store/socket "$@"; }

# add_lab_kernel: the kernel of lab/hostile, for lab_launch WAY [OPTION...], which launches a zone that is named for what it does.
add_lab_kernel() {
  local folder=/var/lib/krata/kernels/0.1-hostile
  mkdir -p "$folder"
  cp /zone/hostile "$folder/vmlinuz"
  : >"$folder/modules.cpio"
}
lab_launch() { krata zone launch --kernel 0.1-hostile --name "$1" --memory 80M "${@:2}" busybox >/dev/null; }

# launch_counting ZONE OPTION...: it says "line 1" and so on, and ends with code 3 when it is told to stop. has_line ZONE NUMBER: it came so far.
launch_counting() {
  # shellcheck disable=SC2016 # the zone's own shell expands it
  krata zone launch --name "$@" busybox sh -c 'trap "echo stopping; exit 3" TERM; i=0; while :; do i=$((i + 1)); echo "line $i"; sleep 0.2; done' >/dev/null
}
has_line() { krata zone logs "$1" | grep -qx "line $2"; }

# destroy_zones: all that there are, one after the other.
destroy_zones() {
  local id
  for id in $(krata zone list -o json | grep -o '"id":"[^"]*"' | cut -d '"' -f 4); do
    krata zone destroy "$id" >/dev/null || return 1
  done
}

# console_of ZONE: what its kernel says. says ZONE PATTERN: whether that has such a line.
console_of() { krata zone logs --kernel "$1" 2>/dev/null; }
says() { console_of "$1" | grep -q "$2"; }
folder_of() { echo "/var/lib/krata/zones/$(krata zone show "$1" -o json | sed -n 's/.*"id":"\([^"]*\)".*/\1/p')"; }
domain_of() { krata zone show "$1" -o json | sed -n 's/.*"domain":\([0-9]*\).*/\1/p'; }

# state_of ZONE
state_of() { krata zone show "$1" -o json | sed -n 's/.*"state":"\([a-z]*\)".*/\1/p'; }
is_state() { [ "$(state_of "$1")" = "$2" ]; }
# What the hypervisor says of a ZONE's limits (krata-lab-zone limits). limit_of ZONE NAME; is_limit ZONE NAME -OPERATOR NUMBER.
limit_of() { krata-lab-zone limits "$(domain_of "$1")" | sed -n "s/^$2 //p"; }
is_limit() { test "$(limit_of "$1" "$2")" "$3" "$4"; }
# has_memory ZONE MIN-KIB MAX-KIB: for the hypervisor, and no more for its own kernel.
has_memory() { is_limit "$1" "memory KiB" -ge "$2" && is_limit "$1" "memory KiB" -le "$3" && krata zone exec "$1" sh -c "read -r _ kib _ </proc/meminfo; [ \$kib -le $3 ]"; }
# domains: how many there are, as the hypervisor says.
domains() { krata-lab-zone facts | sed -n 's/^domains //p' | wc -w; }
only_domain_0() { [ "$(domains)" = 1 ]; }

zones_end() {
  check "nothing but domain 0 is left" "$(domains) domain" until_true 60 only_domain_0
  check "no process serves a disk" "$(pidof krata-block)" sh -c '! pidof krata-block'
  check "no zone and no file of one" "" no_zone
}

no_zone() { ! krata zone list -o json | grep -q '"id"' && [ -z "$(ls -A /var/lib/krata/zones)" ]; }

# What the daemons said, for whoever reads a failure.
tell_logs() {
  ((steps_failed > 0)) || return 0
  echo "--- kratad"
  cat "$zones_dir/kratad.log"
  echo "--- krata-store"
  cat "$zones_dir/store.log"
  for log in "$zones_dir/registry.log" /var/lib/krata/zones/*/{block.log,console,log}; do
    [ -e "$log" ] && echo "--- $log" && tail -n 40 "$log"
  done
}
