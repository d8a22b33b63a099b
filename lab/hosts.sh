# shellcheck shell=bash
# Hosts on one wire:
#
#       web                     db                      office
#       192.0.2.1               192.0.2.2               192.0.2.3
#       2001:db8::1             2001:db8::2             2001:db8::3
#         | eth0                  | eth0                  | eth0
#     ----+-----------------------+-----------------------+----   a bridge in a namespace of its own
#
# A host is a network and a mount namespace: /run, /etc/krait, /var/lib/krait are its own, so every path in it
# is the natural one. Nothing outside these namespaces changes. The same calls work with two guests joined by a virtual
# wire, each of them one host (two_guests_begin).

declare -A host_number=([web]=1 [db]=2 [office]=3)
declare -A host_holder=() # the process that keeps a host's namespaces; "self": this guest; "remote": the other one
remote_port=901
lab_dir=
made_directories=()

hosts_begin() {
  lab_dir=$(mktemp -d /tmp/krait-lab.XXXXXX)
  trap hosts_end EXIT
  local directory
  for directory in /etc/krait /var/lib/krait; do
    [[ -d $directory ]] || { mkdir "$directory" && made_directories+=("$directory"); }
  done
  hold switch
  in_namespace switch ip -batch - <<<"link add wire type bridge mcast_snooping 0
    link set wire up"
}

# hold NAME: starts the process that keeps NAME's namespaces. busybox's shell mounts without another program.
hold() {
  local ready pid
  exec {ready}< <(exec unshare -n -m --propagation private sh -c '
    set -e
    mount -t tmpfs tmpfs /run
    mount -t tmpfs tmpfs /etc/krait
    mount -t tmpfs tmpfs /var/lib/krait
    mount -t sysfs sysfs /sys
    ip link set lo up
    echo $$
    exec >/dev/null
    exec sleep infinity')
  if ! read -r pid <&"$ready"; then
    echo "cannot make the namespaces of $1" >&2
    exit 2
  fi
  exec {ready}<&-
  host_holder[$1]=$pid
}

in_namespace() {
  local name=$1
  shift
  krait-lab-enter "${host_holder[$name]}" "$@"
}

# host_new NAME: one of host_number's names.
host_new() {
  local name=$1 number=${host_number[$1]}
  hold "$name"
  in_namespace switch ip -batch - <<<"link add $name type veth peer name eth0 netns ${host_holder[$name]}
    link set $name master wire up"
  underlay "$name" "$number"
}

underlay() {
  on "$1" ip -batch - <<<"addr add 192.0.2.$2/24 dev eth0
    addr add 2001:db8::$2/64 dev eth0 nodad
    link set eth0 up"
}

# cable HOST DEVICE HOST DEVICE: joins two hosts directly.
cable() {
  in_namespace "$1" ip link add "$2" type veth peer name "$4" netns "${host_holder[$3]}"
  in_namespace "$1" ip link set "$2" up
  in_namespace "$3" ip link set "$4" up
}

# addresses HOST DEVICE ADDRESS/LENGTH...
addresses() {
  local address lines=
  for address in "${@:3}"; do
    lines+="addr add $address dev $2"
    [[ $address != *:* ]] || lines+=" nodad"
    lines+=$'\n'
  done
  on "$1" ip -batch - <<<"$lines"
}

# set_forwarding 0|1 HOST...: of both families.
set_forwarding() {
  local value=$1 name
  shift
  for name in "$@"; do
    on "$name" sh -c "echo $value >/proc/sys/net/ipv4/ip_forward && echo $value >/proc/sys/net/ipv6/conf/all/forwarding"
  done
}
forwards() { set_forwarding 1 "$@"; }
forwards_no_more() { set_forwarding 0 "$@"; }

# on HOST COMMAND...: runs it there. Of another guest's host it gets no standard input.
on() {
  local name=$1
  shift
  case ${host_holder[$name]} in
    self) "$@" ;;
    remote) remote_call "192.0.2.${host_number[$name]}" "$@" ;;
    *) in_namespace "$name" "$@" ;;
  esac
}

# beside HOST COMMAND...: runs it on the host's machine, in no namespace of the host's: for what concerns processes and the lab's files alone.
beside() { if [[ ${host_holder[$1]} == remote ]]; then on "$@"; else "${@:2}"; fi; }

# start HOST LOG COMMAND...: runs it there in the background and prints its process number.
start() {
  local name=$1 log=$2
  shift 2
  # shellcheck disable=SC2016
  case ${host_holder[$name]} in
    self) "$@" </dev/null >"$log" 2>&1 & ;;
    remote)
      on "$name" bash -c 'log=$1; shift; setsid "$@" </dev/null >"$log" 2>&1 & echo $!' start "$log" "$@"
      return
      ;;
    *) krait-lab-enter "${host_holder[$name]}" "$@" </dev/null >"$log" 2>&1 & ;;
  esac
  disown
  echo $!
}

# put_file HOST FILE TEXT
put_file() {
  # shellcheck disable=SC2016
  case ${host_holder[$1]} in
    self) printf '%s\n' "$3" >"$2" ;;
    remote) on "$1" bash -c 'printf "%s\n" "$2" >"$1"' put_file "$2" "$3" ;;
    *) printf '%s\n' "$3" >"/proc/${host_holder[$1]}/root$2" ;;
  esac
}

# kill_hard HOST PID: SIGKILL, and waits until the process is gone.
kill_hard() {
  beside "$1" kill -KILL "$2"
  until_true 10 beside "$1" eval "! kill -0 $2"
}

# Ends everything that lives in the hosts' namespaces, then the namespaces go by themselves.
hosts_end() {
  local name process
  local -a processes=()
  for process in /proc/[0-9]*; do
    for name in "${!host_holder[@]}"; do
      [[ ${host_holder[$name]} =~ ^[0-9]+$ && $process/ns/net -ef /proc/${host_holder[$name]}/ns/net ]] &&
        processes+=("${process#/proc/}")
    done
  done
  ((${#processes[@]} == 0)) || kill -KILL "${processes[@]}" 2>/dev/null
  host_holder=()
  ((${#made_directories[@]} == 0)) || rmdir "${made_directories[@]}" 2>/dev/null
  [[ -z $lab_dir ]] || rm -rf "$lab_dir"
}

# two_guests_begin MINE OTHER: this guest is host MINE, the other guest is OTHER; both on the wire that is eth0. The guest
# whose script does not lead serves the other's calls with remote_serve.
two_guests_begin() {
  host_holder=([$1]=self [$2]=remote)
  lab_dir=/tmp/krait-lab
  mkdir -p "$lab_dir" /etc/krait /var/lib/krait
  underlay "$1" "${host_number[$1]}"
}

remote_serve() {
  nc -ll -p "$remote_port" -e /lab/remote_call.sh &
  # shellcheck disable=SC2119
  until_true "$1" test -e /tmp/remote-end
}

# remote_call ADDRESS COMMAND...
remote_call() {
  local address=$1 answer status
  shift
  answer=$(printf '%q ' "$@" | nc -w 5 "$address" "$remote_port") || return 255
  status=${answer##*$'\n'}
  [[ $status == "remote-exit: "* ]] || return 255
  answer=${answer%"$status"}
  [[ -z $answer ]] || printf '%s' "$answer"
  return "${status#remote-exit: }"
}
