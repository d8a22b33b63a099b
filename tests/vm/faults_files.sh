#!/bin/bash
# Files that are not what they should be, under traffic: no space, read-only, hostile, half written. The agent says what is
# wrong, in bounded time, and what is in force stays in force.
set -u
# shellcheck source=lab/faults.sh
. /lab/faults.sh

key=/var/lib/krait/host.key

# --- no space under /var/lib/krait ---
full_disk() {
  local before after
  fault_begin "full disk under /var/lib/krait"
  on db mount -o remount,size=64k /var/lib/krait
  on db sh -c 'dd if=/dev/zero of=/var/lib/krait/filler bs=4k; true' >/dev/null 2>&1
  before=$(on db md5sum "$key")
  refuses "full disk: no key is made" db 2 "No space left" krait keygen /var/lib/krait/other.key
  check "full disk: and no part of one is left" "" on db test ! -e /var/lib/krait/other.key
  after=$(on db md5sum "$key")
  check "full disk: the host's key is untouched" "" test "$before" = "$after"
  check "full disk: a reload works" "" reload db
  check "full disk: so does a restart" "" agent_again db
  on db rm /var/lib/krait/filler
  fault_end 0
}

# --- /etc read-only ---
read_only_etc() {
  fault_begin "read-only /etc"
  on db mount -o remount,ro /etc/krait
  check "read-only /etc: it is" "" not on db touch /etc/krait/file
  check "read-only /etc: a reload works" "" reload db
  check "read-only /etc: so does a restart" "" agent_again db
  on db mount -o remount,rw /etc/krait
  fault_end 0
}

# --- a key file that is none ---
# hostile_key TEXT SAYS COMMAND: COMMAND makes it in place of the key, whose place is $key.
hostile_key() {
  on db sh -c "mv $key $key.kept; key=$key; $3"
  refuses "key file $1: a reload says so" db "${4:-1}" "$2" krait reload
  on db rm -rf "$key"
  on db mv "$key.kept" "$key"
}

# shellcheck disable=SC2016 # the host's shell expands $key
hostile_keys() {
  fault_begin "hostile key files"
  hostile_key empty "holds no private key" '(umask 077; : >$key)'
  hostile_key truncated "holds no private key" '(umask 077; head -c 20 $key.kept >$key)'
  hostile_key "of garbage" "holds no private key" '(umask 077; head -c 44 /dev/urandom >$key)'
  hostile_key huge "holds no private key" '(umask 077; head -c 30000 /dev/zero >$key)'
  hostile_key "that is a directory" "not a regular file" 'mkdir -m 700 $key'
  hostile_key "that is a pipe" "not a regular file" 'mkfifo -m 600 $key'
  hostile_key "that is a loop of links" "Too many levels" 'ln -s $key $key' 2
  hostile_key "that is missing" "make one: krait keygen" 'true'
  hostile_key "open to others" "chmod 600" 'cp $key.kept $key; chmod 644 $key'
  check "with the key back a reload works" "" reload db
  on db mv "$key" "$key.kept"
  kill_hard db "${agent_pid[db]}"
  refuses "an agent without its key does not start" db 1 "krait keygen" krait-agent --config /etc/krait/krait.toml
  on db mv "$key.kept" "$key"
  agent_start db
  check "with the key back it starts" "" agent_ready db
  fault_end 0
}

# --- policy.toml is written in place while it is read ---
# Cut off after any of its rules but the last, this policy would let office's packets in.
tricky_policy() {
  local n
  policy "office db any" "${allowed_rules[@]}"
  for ((n = 0; n < $1; n++)); do
    printf '[[rule]]\nname = "padding %d"\naction = "allow"\nfrom = ["db"]\nto = ["web"]\nports = ["tcp/1"]\n\n' "$n"
  done
  printf '[[rule]]\nname = "last"\naction = "deny"\nfrom = ["office"]\nto = ["db"]\nports = ["any"]\n'
}

# writes_in_pieces: for ever, each piece whole rules, with pauses between them.
writes_in_pieces() {
  # shellcheck disable=SC2016
  start db "$lab_dir/db-writer.log" bash -c 'while :; do
    for file in "$@"; do
      mapfile lines <"$file"
      exec {out}>/etc/krait/policy.toml
      printf "%s" "${lines[@]:0:23}" >&$out
      for ((i = 23; i < ${#lines[@]}; i += 70)); do sleep 0.02; printf "%s" "${lines[@]:i:70}" >&$out; done
      exec {out}>&-
      sleep 0.3
    done
  done' writer "$lab_dir/tricky-40" "$lab_dir/tricky-60"
}

half_written() {
  local n went=0 refused=0 writer counts
  for n in 40 60; do tricky_policy "$n" >"$lab_dir/tricky-$n"; done
  on db cp "$lab_dir/tricky-40" /etc/krait/policy.toml
  check "a policy that would open up were it cut off" "" reload db
  forbidden_reason=denied_by_rule
  fault_begin "policy replaced halfway through a read"
  writer=$(writes_in_pieces)
  for ((n = 0; n < 20; n++)); do
    on db kill -HUP "${agent_pid[db]}"
    if reload db; then went=$((went + 1)); else refused=$((refused + 1)); fi
  done
  kill_hard db "$writer"
  on db cp "$lab_dir/tricky-60" /etc/krait/policy.toml
  check "once it is whole a reload works" "before: $went went, $refused were refused" reload db
  counts=$(agent_log db | sed -n 's/.*reloaded: .* \([0-9]*\) rules,.*/\1/p' | awk '$1 > 5' | sort -nu | xargs)
  check "only whole policies were in force" "with $counts rules" test "$counts" = "$((40 + 2 + ${#allowed_rules[@]})) $((60 + 2 + ${#allowed_rules[@]}))"
  fault_end 0
}

faults_begin
full_disk
read_only_etc
hostile_keys
half_written
faults_finish faults_files
