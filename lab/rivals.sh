# shellcheck shell=bash disable=SC2154,SC2034
# What krait is measured against, each on two hosts NAME-a and NAME-b of hosts.sh: WireGuard without a filter, WireGuard with
# iptables, WireGuard with nftables, Nebula. Addresses in the tunnel: 10.90.0.N.

declare -A nebula_pid=()

# plain_wireguard A B: wg0 on both, made with ip and wg.
plain_wireguard() {
  local name
  local -A public=()
  for name in "$@"; do
    # shellcheck disable=SC2016
    public[$name]=$(on "$name" bash -c 'umask 077; wg genkey >/run/wg.key && wg pubkey </run/wg.key')
    on "$name" ip link add wg0 type wireguard
    on "$name" wg set wg0 listen-port 51820 private-key /run/wg.key
    addresses "$name" wg0 "$(overlay "$name")/32"
    on "$name" ip link set wg0 mtu 1440 up # as krait does on this wire
  done
  plain_peer "$1" "$2" "${public[$2]}"
  plain_peer "$2" "$1" "${public[$1]}"
}

# plain_peer HOST PEER PEER-KEY
plain_peer() {
  on "$1" wg set wg0 peer "$3" endpoint "192.0.2.${host_number[$2]}:51820" allowed-ips "$(overlay "$2")/32"
  on "$1" ip route add "$(overlay "$2")/32" dev wg0
}

# iptables_rules HOST NUMBER: that many rules on what comes in through wg0 that match nothing of the measured traffic, then one
# that allows it.
iptables_rules() {
  {
    echo '*filter'
    echo ':INPUT ACCEPT [0:0]'
    awk -v rules="$2" 'BEGIN {
      for (i = 0; i < rules; i++)
        printf "-A INPUT -i wg0 -s 10.%d.%d.%d/32 -p tcp -m tcp --dport %d -j DROP\n",
          100 + i / 65536, i / 256 % 256, i % 256, 1000 + i % 4000
    }'
    echo '-A INPUT -i wg0 -j ACCEPT'
    echo COMMIT
  } >"$lab_dir/$1-iptables"
  on "$1" iptables-restore "$lab_dir/$1-iptables"
}

# nftables_rules HOST [PORT]: what most rule sets are: established connections first, then new ones to PORT.
nftables_rules() {
  local rule=
  [[ -z ${2:-} ]] || rule="meta l4proto { tcp, udp } th dport $2 accept;"
  on "$1" nft -f - <<END
table inet filter
delete table inet filter
table inet filter {
  chain judged { ct state established,related accept; $rule drop; }
  chain input { type filter hook input priority 0; iifname wg0 jump judged; }
  chain output { type filter hook output priority 0; oifname wg0 jump judged; }
}
END
}

# nebula_network A B: a certificate authority, A is also the lighthouse.
nebula_network() {
  local name dir=$lab_dir/nebula
  mkdir "$dir"
  nebula-cert ca -name krait-lab -out-crt "$dir/ca.crt" -out-key "$dir/ca.key"
  for name in "$@"; do
    nebula-cert sign -ca-crt "$dir/ca.crt" -ca-key "$dir/ca.key" -name "$name" -ip "$(overlay "$name")/24" \
      -out-crt "$dir/$name.crt" -out-key "$dir/$name.key"
  done
  nebula_config "$1" "$2" any
  nebula_config "$2" "$1" any
  for name in "$@"; do
    nebula_pid[$name]=$(start "$name" "$lab_dir/$name-nebula.log" nebula -config "$dir/$name.yml")
  done
}

# nebula_config HOST PEER PORT: PORT may be opened in both directions.
nebula_config() {
  local dir=$lab_dir/nebula lighthouse=true hosts=
  [[ $1 == *-a ]] || { lighthouse=false && hosts=$(overlay "$2"); }
  cat >"$dir/$1.yml" <<END
pki: { ca: "$dir/ca.crt", cert: "$dir/$1.crt", key: "$dir/$1.key" }
static_host_map: { "$(overlay "$2")": ["192.0.2.${host_number[$2]}:4242"] }
lighthouse: { am_lighthouse: $lighthouse, interval: 60, hosts: [$hosts] }
cipher: ${nebula_cipher:-aes}
listen: { host: 0.0.0.0, port: 4242 }
tun: { dev: nebula1, tx_queue: 500, mtu: 1300 }
logging: { level: warning, format: text }
firewall:
  conntrack: { tcp_timeout: 12m, udp_timeout: 3m, default_timeout: 10m }
  outbound: [{ port: "$3", proto: any, host: any }]
  inbound: [{ port: "$3", proto: any, host: any }]
END
}
