#!/bin/bash
# State files that are not what their names say, under traffic: the socket and its lock. The agent says what is in its way, and what
# is in force stays in force. (The pins: faults_pins.sh.)
set -u
# shellcheck source=lab/faults.sh
. /lab/faults.sh

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

faults_begin
hostile_sockets
faults_finish faults_state
