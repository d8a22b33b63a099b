#!/bin/bash
# Makes real.pcap, real traffic for the differential test: what two hosts and a router between them say to each other. Run
# it as root when a kind of traffic is to be added; needs tcpdump, traceroute, iperf3, iputils-ping.
#
#   near 10.91.1.1, fd91:1::1 --- router --- far 10.91.2.1, fd91:2::1     (behind the router: MTU 1280)
set -euo pipefail

output=$(dirname "$(realpath "$0")")/real.pcap
work=$(mktemp -d)
declare -A holder=()
end() {
  local name
  for name in "${!holder[@]}"; do kill "${holder[$name]}"; done
  rm -rf "$work"
}
trap end EXIT

hold() {
  unshare --net sleep infinity &
  holder[$1]=$!
  until [[ $(readlink "/proc/${holder[$1]}/ns/net") != $(readlink /proc/self/ns/net) ]]; do :; done
  on "$1" ip link set lo up
}
on() { nsenter --target "${holder[$1]}" --net -- "${@:2}"; }

# wire HOST NUMBER MTU: HOST and the router, each with an end.
wire() {
  on router ip link add "$1" type veth peer name eth0 netns "${holder[$1]}"
  on router ip addr add "10.91.$2.254/24" dev "$1"
  on router ip addr add "fd91:$2::fe/64" dev "$1" nodad
  on router ip link set "$1" up mtu "$3"
  on "$1" ip addr add "10.91.$2.1/24" dev eth0
  on "$1" ip addr add "fd91:$2::1/64" dev eth0 nodad
  on "$1" ip link set eth0 up
  on "$1" ip route add default via "10.91.$2.254"
  on "$1" ip route add default via "fd91:$2::fe"
}

# transfer PORT ADDRESS FLAGS...
transfer() {
  local server
  on far iperf3 -s -1 -p "$1" >/dev/null &
  server=$!
  until on far ss -ltn | grep -q ":$1 "; do :; done
  on near iperf3 -c "$2" -p "$1" "${@:3}" >/dev/null
  wait "$server" || true
}

for name in near far router; do hold "$name"; done
wire near 1 1500
wire far 2 1280
on router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for name in near far; do on "$name" ethtool -K eth0 gro off gso off tso off >/dev/null 2>&1 || true; done

exec {ready}< <(on near tcpdump -i eth0 -s 200 -U -w "$work/real.pcap" 'not arp' 2>&1)
recorder=$!
read -r -u "$ready" _
for far in 10.91.2.1 fd91:2::1; do
  on near ping -q -c 3 -i 0.2 "$far"
  on near ping -q -c 2 -i 0.2 -s 4000 "$far" || true # the first one learns the path MTU
  on near ping -q -c 2 -i 0.2 -M "do" -s 1400 "$far" || true
  on near traceroute -n -q 1 -w 1 "$far" || true
  on near traceroute -n -I -q 1 -w 1 "$far" || true
  on near bash -c "echo nobody listens >/dev/udp/$far/9" || true
  on near bash -c "exec 3<>/dev/tcp/$far/9" 2>/dev/null || true
  transfer 5202 "$far" -n 60000
  transfer 5203 "$far" -u -n 12000 -l 3000
done
on near ping -q -c 1 -b 10.91.1.255 || true
on near ping -q -c 1 -W 1 224.0.0.1 || true
on near ping -q -c 1 -W 1 ff02::1%eth0 || true
kill "$recorder"
cp "$work/real.pcap" "$output"
