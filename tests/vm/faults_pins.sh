#!/bin/bash
# Pins that are not what their names say, under traffic. The agent puts them right, for they are its own, and what is in force stays
# in force.
set -u
# shellcheck source=lab/faults.sh
. /lab/faults.sh

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
  fault_end "$rate" # a table of flows that is lost leaves replies waiting for the initiator's next packet
}

faults_begin
hostile_pins
faults_finish faults_pins
