#!/bin/bash
# State files that are not what their names say, under traffic: the socket and its lock, the pins. The agent says what is in its
# way, or puts right what is its own, and what is in force stays in force.
set -u
# shellcheck source=lab/faults.sh
. /lab/faults.sh

# --- what stands where the socket and its lock belong ---
socket=/run/krait/krait.sock
hostile_sockets() {
  fault_begin "hostile socket and lock files"
  kill_hard db "${agent_pid[db]}"
  on db rm -f "$socket" "$socket.lock"
  on db sh -c "echo text >$socket"
  refuses "a file where the socket belongs" db 1 "is no socket" krait-agent
  check "it is still there" "" on db grep -q text "$socket"
  on db sh -c "rm $socket; mkdir $socket"
  refuses "a directory where the socket belongs" db 1 "is no socket" krait-agent
  on db sh -c "rmdir $socket; rm -f $socket.lock; mkdir $socket.lock"
  refuses "a directory where the lock belongs" db 2 "$socket.lock" krait-agent
  on db sh -c "rmdir $socket.lock; ln -s /etc/krait/made $socket.lock"
  refuses "a link where the lock belongs" db 2 "$socket.lock" krait-agent
  check "it was not followed" "" on db test ! -e /etc/krait/made
  on db sh -c "rm $socket.lock; mkfifo $socket.lock"
  agent_start db
  check "a pipe where the lock belongs stops nobody" "" agent_ready db
  fault_end 0
}

# --- pins that are not what their names say ---
pins=/run/krait/bpf/wg0
# hostile_pin TEXT NAME COMMAND: COMMAND puts something else in place of the pin NAME, while no agent runs.
hostile_pin() {
  kill_hard db "${agent_pid[db]}"
  on db sh -c "cd $pins && mv $2 kept && $3"
  agent_start db
  check "pin $1: an agent starts all the same" "$(agent_ready db || tail -n 1 "$lab_dir/db-agent.log")" agent_ready db
  check "pin $1: what it found is gone" "" not on db sh -c "test -d $pins/$2 -o -L $pins/$2"
  on db rm -f "$pins/kept"
}

hostile_pins() {
  fault_begin "hostile pins"
  hostile_pin "snapshot is another map" snapshot 'ln drops snapshot'
  hostile_pin "snapshot is a ring buffer" snapshot 'ln events snapshot'
  hostile_pin "snapshot is a program" snapshot 'ln program_ingress snapshot'
  hostile_pin "rules is another map" rules 'ln drops rules'
  hostile_pin "events is a folder" events 'mkdir events'
  hostile_pin "program_ingress is a map" program_ingress 'ln drops program_ingress'
  hostile_pin "program_egress is the other program" program_egress 'ln program_ingress program_egress'
  hostile_pin "flows is another map" flows 'ln drops flows'
  fault_end 50 # a table of flows that is lost leaves replies waiting for the initiator's next packet
}

faults_begin
hostile_sockets
hostile_pins
faults_finish faults_state
