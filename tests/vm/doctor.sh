#!/bin/bash
# `krait doctor` has nothing to say about a healthy mesh, and names what is broken, one thing at a time.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

# findings HOST [NAME] [GRADE]: what the doctor found there, a line each.
findings() {
  on "$1" krait doctor -o json | krait-lab-json "findings[${2:+name=$2}]${3:+[grade=$3]}" name found
}
# names HOST NAME GRADE WORD: a finding of that name and grade speaks of WORD.
names() { findings "$1" "$2" "$3" | grep -qF -- "$4"; }
# The guests' clocks are kept by nobody, which is all there is to be said.
healthy() {
  on "$1" krait doctor >/dev/null && [[ -z $(findings "$1" "" problem) && -z $(findings "$1" "" skipped) ]] &&
    [[ $(findings "$1" "" warning) == "clock: "* && $(findings "$1" "" warning | wc -l) == 1 ]]
}
exits() {
  local status=0
  "${@:2}" >/dev/null 2>&1 || status=$?
  ((status == $1))
}

mesh_of_three "web db tcp/5432" "web db icmp/echo-request" "web db icmpv6/echo-request"
for name in web db office; do
  check "the doctor finds $name healthy" "$(on "$name" krait doctor | grep -vE '^ok ')" healthy "$name"
done

on db sh -c 'echo 1 >/proc/sys/net/ipv4/conf/wg0/rp_filter'
check "strict rp_filter is named" "$(findings db rp_filter)" names db rp_filter warning strict
on db sh -c 'echo 0 >/proc/sys/net/ipv4/conf/wg0/rp_filter'

on db ip route add 10.90.0.3/32 dev eth0 table 100
on db ip rule add to 10.90.0.3 lookup 100 pref 100
check "a route that takes a peer's packets is named" "$(findings db routes)" names db routes problem "the routing rule 100"
check "and the exit code is 1" "" exits 1 on db krait doctor
on db ip rule del pref 100
on db ip route flush table 100

on db tc filter add dev wg0 ingress pref 5 bpf bytecode '1,6 0 0 4294967295'
check "another's TC filter is named" "$(findings db programs)" names db programs warning "stands behind krait on wg0's ingress"
on db tc filter del dev wg0 ingress pref 5

on db sh -c 'echo 1 >/sys/class/net/wg0/threaded'
check "threaded NAPI is named" "$(findings db interface)" names db interface warning "threaded NAPI"
on db sh -c 'echo 0 >/sys/class/net/wg0/threaded'

on db mount -t tmpfs tmpfs /sys/kernel/btf
check "a kernel without BTF is named" "$(findings db kernel)" names db kernel problem "BTF"
on db umount /sys/kernel/btf

on db chmod 644 /var/lib/krait/host.key
check "a key file that others may read is named" "$(findings db 'key file')" names db "key file" problem 0644
on db chmod 600 /var/lib/krait/host.key

on db sed -i.kept 's|^private_key_file.*|private_key_credential = "host.key"|' /etc/krait/krait.toml
check "a key that is the service's credential is no file to look for" "$(findings db 'key file')" \
  names db "key file" ok "credential host.key"
on db mv /etc/krait/krait.toml.kept /etc/krait/krait.toml

on db ip addr add 10.90.0.77/24 dev eth0
check "a network that holds overlay addresses is named" "$(findings db addresses)" names db addresses warning eth0
on db ip addr del 10.90.0.77/24 dev eth0
check "mended, db is healthy again" "$(findings db | grep -v ' ok ')" healthy db

unprivileged() { on db setpriv --reuid 65534 --clear-groups krait doctor; }
check "without privilege the doctor looks too" "$(unprivileged 2>&1 | grep -v '^ok ')" exits 0 unprivileged
key=$(on db cat /var/lib/krait/host.key)
hex=$(on db sh -c 'base64 -d /var/lib/krait/host.key' | od -An -tx1 -v | tr -d ' \n')
on db krait debug bundle --output-file /run/bundle.tar.gz >/dev/null
check "the bundle is the caller's only" "$(on db stat -c %a /run/bundle.tar.gz)" test "$(on db stat -c %a /run/bundle.tar.gz)" = 600
on db sh -c 'mkdir -p /run/unpacked && tar -xzf /run/bundle.tar.gz -C /run/unpacked'
check "it holds what helps" "$(on db ls /run/unpacked/krait-debug | tr '\n' ' ')" \
  on db sh -c 'cd /run/unpacked/krait-debug && test -s doctor.json -a -s status.json -a -s rules.json -a -s metrics.txt -a -s krait.toml -a -s policy.toml -a -s network.json'
check "the private key is not in it in base64" "" not on db grep -rqF -- "$key" /run/unpacked
check "nor in hexadecimal" "" not on db grep -rqiF -- "$hex" /run/unpacked
check "public keys are" "" on db grep -qF -- "${public_key[web]}" /run/unpacked/krait-debug/krait.toml

agent=$(on db krait status -o json | krait-lab-json agent.pid)
check "the agent is killed: it would put back what goes" "" kill_hard db "$agent"
on db tc filter del dev wg0 egress pref 65535
check "a missing guard is named" "$(findings db programs)" names db programs problem "the guard is missing behind wg0's egress"
on db krait down
check "krait is down: that is named" "$(findings db agent)" names db agent problem "no agent answers"
serve db udp 192.0.2.2:51820 taker
check "a busy port is named" "$(findings db port)" names db port problem "taken by"
finish doctor
