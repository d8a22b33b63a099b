#!/bin/bash
# Two Debian hosts on different kernels take the packages with apt and follow README.md's guides word for word, by files first, then by
# a coordinator; between them what a year brings: a killed agent, a reboot, an upgrade under traffic, the removal. At the end krata's
# packages, which neither host can do anything with.
#
#     web1 192.0.2.1 eth0 ======= eth0 192.0.2.2 db1
set -u
# shellcheck source=lab/hosts.sh
. /lab/hosts.sh
# shellcheck source=lab/steps.sh
. /lab/steps.sh
# shellcheck source=lab/mesh.sh
. /lab/mesh.sh
# shellcheck source=tests/debian/readme.sh
. /lab/tests/debian/readme.sh
# shellcheck source=lab/containers.sh
. /lab/containers.sh
# shellcheck source=tests/debian/joined.sh
. /lab/tests/debian/joined.sh
# shellcheck source=tests/debian/four.sh
. /lab/tests/debian/four.sh
# shellcheck source=tests/debian/krata.sh
. /lab/tests/debian/krata.sh

host_holder=([web]=self [db]=remote)
lab_dir=/tmp/krait-lab
rate=10 # records a second each way: what takes seconds here is not the traffic
guide_title="## Two hosts by files, without a coordinator"
both=(web db)
trap 'on db systemctl --no-block poweroff >/dev/null' EXIT

# Commands may take long here, and a host may go while it is asked.
remote_seconds=600
remote_call() {
  local address=$1 answer status
  shift
  # shellcheck disable=SC2016
  answer=$(timeout "$remote_seconds" bash -c 'exec 3<>"/dev/tcp/$1/901" && printf "%s\0" "$2" >&3 && cat <&3' call "$address" \
    "$(printf '%q ' "$@")" 2>/dev/null) || return 255
  status=${answer##*$'\n'}
  [[ $status == "remote-exit: "* ]] || return 255
  answer=${answer%"$status"}
  [[ -z $answer ]] || printf '%s' "$answer"
  return "${status#remote-exit: }"
}

# on_shell HOST TEXT: a line of the guide, as typed.
on_shell() { on "$1" bash -c "cd /root && $2"; }
# guided HOST N [web1]: runs the commands of the guide's block N, each a check, with its last words if it fails.
guided() {
  local line status
  while read -r line; do
    status=0
    on_shell "$1" "$line" >"$lab_dir/said" 2>&1 </dev/null || status=$?
    check "$1: $line" "$( ((status == 0)) || tail -n 5 "$lab_dir/said")" test "$status" = 0
  done < <(guide_commands "$2" "${3:-}")
}
main_pid() { on "$1" systemctl show -P MainPID krait-agent; }
version_of() { on "$1" dpkg -s krait | sed -n 's/^Version: //p'; }
active() { on "$1" systemctl --quiet is-active krait-agent; }

# What krait must give back: prints the host's links, addresses, routes, rules, filters, mounts and settings.
machine_state() {
  # shellcheck disable=SC2016
  on "$1" bash -c '
    ip -o -d link | sed -E "s/ (gso|tso|gro)_.*//"; ip -o addr; ip rule; ip -6 rule; ip route show table all | sort
    ip -6 route show table all | sort; tc qdisc show; nft list ruleset; findmnt -rn -o TARGET,SOURCE,FSTYPE,OPTIONS | sed -E "s#,(size|nr_inodes)=[0-9]+k?##g" | sort
    sysctl -a 2>/dev/null | grep -E "^net\.|^kernel\.(unprivileged|bpf)|^vm\.(max|over)" | grep -vE "conntrack_count|_mem = |inet_peer_threshold" | sort
    ls -A /run/krait /sys/fs/bpf 2>&1'
}

packages_are_installed() {
  local name
  for name in "${both[@]}"; do
    until_true 20 on "$name" sh -c '! ip -o addr show tentative | grep -q .' # a fresh guest still looks for duplicates
    machine_state "$name" >"$lab_dir/$name-before"
    on "$name" ln -sfn /lab/build /root/build
    put_file "$name" /etc/apt/apt.conf.d/lab 'APT::Get::Assume-Yes "true";'
    on "$name" apt-get -qq update >/dev/null
    guided "$name" 1
  done
  check "nothing was started or enabled" "" not on web systemctl --quiet is-enabled krait-agent
  check "the unedited configuration is refused, with what it lacks" "$(on web krait check 2>&1 | head -n 1)" \
    grep -q 'krait.toml:.*\[host\]' <<<"$(on web krait check 2>&1)"
  check "state belongs to krait alone" "$(on web stat -c '%U:%G %a' /var/lib/krait)" \
    test "$(on web stat -c '%U:%G %a' /var/lib/krait)" = "krait:krait 700"
}

guide_is_followed() {
  local name
  for name in "${both[@]}"; do
    public_key[$name]=$(on_shell "$name" "$(guide_commands 2)" | tail -n 1)
    check "$name: $(guide_commands 2)" "${public_key[$name]}" test "$(on "$name" stat -c %U /var/lib/krait/host.key)" = krait
  done
  put_file web /etc/krait/krait.toml "$(guide_block 3 | sed "s|what krait keygen.*on db1|${public_key[db]}|")"
  put_file db /etc/krait/krait.toml "$(guide_block 3 | roles_exchanged | sed "s|what krait keygen.*on web1|${public_key[web]}|")"
  for name in "${both[@]}"; do put_file "$name" /etc/krait/policy.toml "$(guide_block 4)"; done
  guided db 5
  guided web 5 web1
}

traffic_is_judged() {
  local before
  serve db tcp 10.90.0.2:5432 transfer "$rate"
  send web tcp 10.90.0.2:5432 transfer "$rate"
  check "web transfers to db" "" traffic db wait transfer 60 30
  serve web tcp 10.90.0.1:9999 forbidden
  before=$(drops db no_rule egress)
  send db tcp 10.90.0.1:9999 forbidden
  check "db may open nothing to web" "" await_drops db no_rule egress "$before"
}

unit_is_bounded() {
  local score
  score=$(on web systemd-analyze security krait-agent 2>/dev/null | sed -n 's/.*Overall exposure level.*: \([0-9.]*\).*/\1/p')
  check "systemd-analyze security is at most 2.0" "$score" on web systemd-analyze security --threshold=20 krait-agent
  check "the shell completes its commands" "" on web bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader krait; complete -p krait'
  check "its manual pages are there" "" on web ls /usr/share/man/man{1/krait.1,8/krait-agent.8,8/krait-link.8,5/krait.toml.5,5/policy.toml.5}.gz
  check "it is krait's own user's" "" test "$(on web stat -c %U "/proc/$(main_pid web)")" = krait
  check "a host by files has no network to leave, and loses nothing" "$(on web krait leave 2>&1)" active web
}

# rule_taken HOST: the guide's policy without the rule and its test.
rule_taken() { guide_block 4 | sed '/^\[\[rule\]\]/,$d'; }

right_is_withdrawn() {
  local name passed
  for name in "${both[@]}"; do
    put_file "$name" /etc/krait/policy.toml "$(rule_taken)"
    guided "$name" 6
  done
  passed=$(count db transfer received)
  check "what db still gets is dropped or not sent" "" await_drops web no_rule egress 0
  check "nothing passes any more" "" not traffic db more transfer 1 3
  check "so it has stayed" "$passed" test "$(count db transfer received)" = "$passed"
  for name in "${both[@]}"; do
    put_file "$name" /etc/krait/policy.toml "$(guide_block 4)"
    guided "$name" 6
  done
  # TCP sends again after twice as long each time, but after two minutes at the latest; emulated guests are slow besides.
  check "put back, the open connection goes on" "" traffic db more transfer 20 300
  check "it is the same one, whole" "" test "$(count db transfer connections misplaced)" = "1 0"
}

agent_dies() {
  local pid
  pid=$(main_pid db)
  check "db: systemctl reload" "" on db systemctl reload krait-agent
  check "the same process" "" test "$(main_pid db)" = "$pid"
  check "db: systemd starts anew" "" on db systemctl daemon-reexec
  check "and has the same process" "" until_true 60 kept db "$pid"
  on db kill -KILL "$pid"
  check "killed, systemd starts another" "" until_true 60 restarted db "$pid"
  check "the transfer never knew" "" traffic db more transfer 20 60
  check "one connection, nothing misplaced" "" test "$(count db transfer connections misplaced)" = "1 0"
}
restarted() { active "$1" && [[ $(main_pid "$1") != "$2" ]]; }
kept() { active "$1" && [[ $(main_pid "$1") == "$2" ]]; }

host_reboots() {
  local boot
  boot=$(on db cat /proc/sys/kernel/random/boot_id)
  traffic web stop transfer
  on db systemctl --no-block reboot
  check "db reboots" "" until_true 180 rebooted "$boot"
  check "its agent is there by itself" "" until_true 60 active db
  serve db tcp 10.90.0.2:5432 again "$rate"
  send web tcp 10.90.0.2:5432 again "$rate"
  check "web transfers to it again" "" traffic db wait again 60 60
}
rebooted() {
  local now remote_seconds=10
  now=$(on db cat /proc/sys/kernel/random/boot_id) && [[ -n $now && $now != "$1" ]]
}

upgraded_under_traffic() {
  local pid before
  before=$(version_of web)
  pid=$(main_pid web)
  echo 'deb [trusted=yes] file:/lab/later ./' >/etc/apt/sources.list.d/later.list
  traffic db more again 10 30
  check "web: apt-get install krait" "" bash -c 'apt-get -qq update && apt-get install -q krait >/tmp/upgrade.log 2>&1 </dev/null'
  check "upgraded" "$before to $(version_of web)" test "$(version_of web)" = "$before+later"
  check "the agent is the new one" "" restarted web "$pid"
  check "the edited configuration is kept" "" grep -q "${public_key[db]}" /etc/krait/krait.toml
  check "the transfer goes on" "" traffic db more again 20 60
  check "nothing is lost of it" "" test "$(count db again connections misplaced)" = "1 0"
  check "nothing forbidden has passed" "" test "$(count web forbidden received)" = 0
}

# As docs/packages.md says, under traffic.
key_is_a_credential() {
  check "web: the key becomes a credential" "" \
    on web systemd-creds encrypt --name=host.key /var/lib/krait/host.key /etc/krait/host.key.cred
  on web mkdir -p /etc/systemd/system/krait-agent.service.d
  put_file web /etc/systemd/system/krait-agent.service.d/override.conf \
    $'[Service]\nLoadCredentialEncrypted=host.key:/etc/krait/host.key.cred'
  on web mv /var/lib/krait/host.key /root/host.key
  on web sed -i 's|^private_key_file = .*|private_key_credential = "host.key"|' /etc/krait/krait.toml
  check "web: systemctl restart krait-agent" "" on web bash -c 'systemctl daemon-reload && systemctl restart krait-agent'
  check "the transfer goes on" "" traffic db more again 20 60
  on web mv /root/host.key /var/lib/krait/host.key
}

# For whoever reads why a step failed.
show_journals() {
  local name
  ((steps_failed)) || return
  for name in "${both[@]}"; do on "$name" journalctl --no-pager -q -b -u 'krait-*' | tail -n 40 | sed "s/^/$name: /"; done
}

package_is_removed() {
  local name
  traffic web stop again
  traffic db stop again
  traffic web stop forbidden
  for name in "${both[@]}"; do
    # Who follows the events holds the pins. Not on db, where it would hold the remote call's connection.
    [[ $name != web ]] || on web setsid -f krait events --follow </dev/null >/dev/null 2>&1
    check "$name: apt-get remove krait" "" on "$name" apt-get -q remove krait
    machine_state "$name" >"$lab_dir/$name-after"
    check "$name is as it was before" "$(diff "$lab_dir/$name-before" "$lab_dir/$name-after" | head -n 10)" \
      diff "$lab_dir/$name-before" "$lab_dir/$name-after"
    check "$name keeps its configuration and key" "" on "$name" ls /etc/krait/krait.toml /var/lib/krait/host.key
    check "$name: apt-get purge krait" "" on "$name" apt-get -q purge krait
    check "$name keeps nothing" "" not on "$name" ls -d /etc/krait /var/lib/krait /run/krait
  done
}

check "the hosts see each other" "" until_true 200 on db true
check "two kernels" "$(uname -r) and $(on db uname -r)" true
packages_are_installed
guide_is_followed
if ((steps_failed)); then show_journals; finish guide; exit 1; fi
traffic_is_judged
unit_is_bounded
agent_dies
right_is_withdrawn
host_reboots
upgraded_under_traffic
key_is_a_credential
show_journals
package_is_removed
by_coordinator
krata_waits_for_xen
krata_store_is_kept_up
krata_is_removed
finish guide
