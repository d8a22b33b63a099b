# shellcheck shell=bash disable=SC2154,SC2034
# More hosts for scenarios on Debian guests: containers with systemd on db's machine, each with Debian as the guests' own disc has it and with
# a place of its own on the wire. db's machine itself cannot be reached from there. Needs hosts.sh and steps.sh.

host_number+=([edge]=4)
containers_dir=/var/tmp/hosts

# container_new HOST
container_new() {
  # shellcheck disable=SC2016
  on db bash -c '
    set -e
    name=$1 number=$2 dir=$3/$1 debian=$3/debian
    mkdir -p "$debian" "$dir"/{changes,work,root}
    mountpoint -q "$debian" || mount -o ro,noload /dev/vdc "$debian"
    mount -t overlay -o "lowerdir=$debian,upperdir=$dir/changes,workdir=$dir/work" overlay "$dir/root"
    echo "$number" >"$dir/root/etc/lab-number"
    echo "${name}1" >"$dir/root/etc/hostname"
  ' container_new "$1" "${host_number[$1]}" "$containers_dir" && container_start "$1"
}

# container_start HOST: with a network of its own, which it begins with nothing in.
container_start() {
  # shellcheck disable=SC2016
  on db bash -c '
    set -e
    ip netns add "$1"
    ip link add link eth0 name "$1" type macvlan mode bridge
    ip link set "$1" netns "$1" name eth0
    systemd-run --quiet --unit="host-$1" --property=Delegate=yes --property=KillMode=mixed --property=TasksMax=infinity \
      systemd-nspawn --quiet --boot --machine="$1" --directory="$2/$1/root" --register=no --keep-unit --bind-ro=/lab \
      --network-namespace-path="/run/netns/$1" --capability=all --system-call-filter="bpf perf_event_open" --resolv-conf=off --timezone=off
  ' container_start "$1" "$containers_dir" || return 1
  host_holder[$1]=remote
  until_true 120 on "$1" true
}

# container_stop HOST: its processes and its network end at once; its files stay.
container_stop() {
  on db systemctl kill --signal=KILL "host-$1"
  until_true 30 not on db systemctl --quiet is-active "host-$1"
  on db systemctl reset-failed "host-$1"
  on db ip netns delete "$1"
}

# containers_end HOST...: they and all that is theirs.
containers_end() {
  local name
  for name in "$@"; do
    container_stop "$name"
    on db umount "$containers_dir/$name/root"
    unset "host_holder[$name]"
  done
  on db umount "$containers_dir/debian" /run/netns
  on db rm -rf "$containers_dir" /run/netns
}
