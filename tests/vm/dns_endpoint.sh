#!/bin/bash
# Endpoints by name: a peer is looked up, moves, and is found again by its new address; a session that lives is left
# alone. dnsmasq answers on web.
set -u
# shellcheck source=lab/scenario.sh
. /lab/scenario.sh

# answer_with ADDRESS: what DNS says about db.
answer_with() {
  [[ -z ${dns_pid:-} ]] || kill_hard web "$dns_pid"
  dns_pid=$(start web "$lab_dir/dns.log" dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts \
    --listen-address=127.0.0.1 --bind-interfaces --user=root --pid-file --local=/example/ --log-queries \
    --log-facility=- \
    ${1:+--address=/db.example/"$1"})
  # shellcheck disable=SC2016
  until_true 10 on web sh -c 'grep -q "0100007F:0035" /proc/net/udp'
}
peer() { on web krait status -o json | krait-lab-json "peers[0].$1"; }
endpoint_is() { [[ $(peer endpoint) == "$1" ]]; }
ping_db() { on web ping -c 1 -W 1 10.90.0.2; }
look_again() { on web krait reload; }
queries() { on web grep -c 'query\[A\] db.example' "$lab_dir/dns.log"; }
queried() { (($(queries) >= $1)); }
has_failed() { [[ $(peer endpoint_failure) == *"not found"* ]]; }
logged_once() { (($(on web grep -c "the endpoint db.example has no address" "$lab_dir/web-agent.log") == 1)); }
shows_the_name() { on web krait status | grep -q '192.0.2.33:51820 (db.example:51820)'; }

hosts_begin
for name in web db; do host_new "$name"; done
put_policy "web db" "web db icmp/echo-request"
for name in web db; do public_key[$name]=$(on "$name" krait keygen /var/lib/krait/host.key); done
on web mount -t tmpfs tmpfs /etc
on web mkdir /etc/krait
put_file web /etc/passwd "root:x:0:0::/root:/bin/sh"
put_file web /etc/resolv.conf "nameserver 127.0.0.1"
put_policy web "web db icmp/echo-request"
put_file web /etc/krait/krait.toml "$(mesh_config web web db | sed 's/192\.0\.2\.2:/db.example:/')"
put_file db /etc/krait/krait.toml "$(mesh_config db web db | sed '/^endpoint/d')"

answer_with ""
for name in web db; do agent_start $name; agent_ready $name; done
check "a name without an address" "" until_true 20 has_failed
check "is logged" "" logged_once
for _ in 1 2; do
  before=$(queries)
  look_again
  check "it is looked up again" "$before queries before" until_true 20 queried $((before + 1))
done
check "and logged once" "" logged_once
answer_with 192.0.2.2
look_again
check "the name has an address" "" until_true 20 endpoint_is 192.0.2.2:51820
check "web pings db" "" until_true 20 ping_db

# A session that lives: DNS may say what it wants, and a reload changes nothing.
answer_with 192.0.2.77
look_again
check "a reload leaves a living session alone" "$(peer endpoint)" endpoint_is 192.0.2.2:51820
on db ip addr add 192.0.2.22/24 dev eth0
on db ip addr del 192.0.2.2/24 dev eth0
on db ip addr show dev eth0 | grep -q 192.0.2.22/24 || on db ip addr add 192.0.2.22/24 dev eth0
check "db roams to 192.0.2.22" "" until_true 20 bash -c "krait-lab-enter ${host_holder[db]} ping -c 1 -W 1 192.0.2.1"
on db wg set wg0 peer "${public_key[web]}" persistent-keepalive 1
check "web follows" "" until_true 20 endpoint_is 192.0.2.22:51820
on db wg set wg0 peer "${public_key[web]}" persistent-keepalive 0
look_again
check "a reload leaves a roamed endpoint alone" "$(peer endpoint)" endpoint_is 192.0.2.22:51820

# db moves while nobody speaks: web calls in vain, and the session is dead once the clock has moved on.
on db ip addr add 192.0.2.33/24 dev eth0
on db ip addr del 192.0.2.22/24 dev eth0
on db ip addr show dev eth0 | grep -q 192.0.2.33/24 || on db ip addr add 192.0.2.33/24 dev eth0
answer_with 192.0.2.33
date -s "@$(($(date +%s) + 200))" >/dev/null
on web ping -c 2 -W 1 10.90.0.2 >/dev/null
check "web calls in vain" "$(peer endpoint)" endpoint_is 192.0.2.22:51820
look_again
check "web finds db at its new address" "" until_true 20 endpoint_is 192.0.2.33:51820
check "the tunnel is healed" "" until_true 30 ping_db
check "krait status shows the name" "" shows_the_name
finish dns_endpoint
