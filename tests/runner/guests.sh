# shellcheck shell=bash disable=SC2154,SC2034
# What runs in guests, side by side and in a row. Sourced by x; needs report.sh.

running=0
begun=0
max_running=3 # two CPUs' work: guests wait for a third of their time

# begin NAME COMMAND...: tests in the background, as soon as there is room; their sums go into a file.
begin() {
  if ((running == max_running)); then
    wait -n || true
    running=$((running - 1))
  fi
  {
    count -"$passed" -"$failed" -"$skipped"
    "${@:2}"
    echo "$passed $failed $skipped" >"$log_dir/$1.sum"
  } &
  running=$((running + 1))
  begun=$((begun + 1))
}

# Waits for all that begin() began, and counts what they did.
finish() {
  local good bad skips ended=0
  wait
  while read -r good bad skips; do
    count "$good" "$bad" "$skips"
    ended=$((ended + 1))
  done < <(cat "$log_dir"/*.sum)
  count 0 $((begun - ended))
  begun=0 running=0
}

# begin_scenario TITLE COMMAND...
begin_scenario() { begin "${1//[ \/]/-}" vm_scenario "$@"; }

# Those that set the guest's clock or fill its memory come last in theirs.
last_scenarios=(dns_endpoint faults_host)
lanes=3

# What these are about is user space, which is the same with each kernel: ./x test has one kernel run each of them, in turn;
# ./x test --all and ./x test NAME have both.
one_kernel_scenarios=(
  coexistence coordinator coordinator_moves demo dns_endpoint doctor faults_files faults_host faults_kill faults_pins faults_state
  key_rotation lean many_peers preshared_keys rule_options signed_state takeover
)

# scenarios_of FOLDER VERSION VERSIONS ONCE: what ./x test runs with that version, one of the array VERSIONS. Those that the array ONCE names
# run with one version each, in turn.
scenarios_of() {
  local name at=0
  local -n versions=$3 once=$4
  for name in $(basename -s .sh "$1"/*.sh); do
    if [[ " ${once[*]} " == *" $name "* ]]; then
      [[ ${versions[at++ % ${#versions[@]}]} == "$2" ]] || continue
    fi
    echo "$name"
  done
}

# vm_tests [SCENARIO...]: by their names, or all, in `lanes` guests a kernel, one after the other in each; in one more guest those
# in which CPUs race.
vm_tests() {
  local series lane
  local -a scripts names
  for ((lane = 0; lane <= lanes; ++lane)); do
    for series in "${lab_kernels[@]}"; do
      names=("$@")
      (($#)) || mapfile -t names < <(scenarios_of tests/vm "$series" lab_kernels one_kernel_scenarios)
      mapfile -t scripts < <(lane_of "$lane" "${names[@]}")
      ((${#scripts[@]} == 0)) || begin "vm-$series-$lane" run_scenarios vm "$series" "${scripts[@]}"
    done
  done
}

# lane_of NUMBER SCENARIO...: the paths in the guest of those that are its.
lane_of() {
  local number=$1 at=0 name lane
  local -a first=() last=()
  shift
  for name in "$@"; do
    if is_racing "$name"; then lane=$lanes; else lane=$((at++ % lanes)); fi
    ((lane == number)) || continue
    if [[ " ${last_scenarios[*]} " == *" $name "* ]]; then last+=("$name"); else first+=("$name"); fi
  done
  for name in "${first[@]}" "${last[@]}"; do echo "/tests/vm/$name.sh"; done
}

# report_scenario KIND VERSION SCRIPT LOG STATUS SECONDS
report_scenario() { report_steps "$1 $2 $(basename "$3" .sh)" "${@:4}"; }

# What these are about is krata-store, the back ends and what is in a zone, which are the same with each hypervisor: as one_kernel_scenarios.
one_hypervisor_scenarios=(again container hostile kills many store_hostile store_killed)
longest_zones=launch # as long as all others together

# xen_tests [SCENARIO...]: by their names, or all, one after the other in a domain 0 of each hypervisor; the longest has its own.
xen_tests() {
  local version name
  local -a names scripts
  for version in "${xen_versions[@]}"; do
    names=("$@") scripts=()
    (($#)) || mapfile -t names < <(scenarios_of tests/xen "$version" xen_versions one_hypervisor_scenarios)
    for name in "${names[@]}"; do
      if [[ $name == "$longest_zones" ]]; then
        begin "xen-$version-$name" run_scenarios xen "$version" "/tests/xen/$name.sh"
      else
        scripts+=("/tests/xen/$name.sh")
      fi
    done
    ((${#scripts[@]} == 0)) || begin "xen-$version" run_scenarios xen "$version" "${scripts[@]}"
  done
}

fetch_xen_lab() {
  local version
  for version in "${xen_versions[@]}"; do
    logged "xen-$version" "fetch Xen $version" fetch_xen "$version" &&
      logged "kernel-${dom0_kernel[$version]}-dom0" "fetch domain 0's kernel ${dom0_kernel[$version]}" \
        fetch_kernel "${dom0_kernel[$version]}" dom0 || return 1
  done
}

make_xen_lab() {
  local version
  for version in "${xen_versions[@]}"; do
    logged "dom0-$version" "make domain 0 of Xen $version" prepare_xen "$version" || return 1
  done
}

pair_tests() {
  local script
  for script in tests/vm/two_guests/*.sh; do
    begin_scenario "vm 6.12 and 6.1 $(basename "$script" .sh)" run_two_guests 6.12 6.1 "/$script"
    begin_scenario "vm 6.1 and 6.12 $(basename "$script" .sh)" run_two_guests 6.1 6.12 "/$script"
  done
}

# Two Debian hosts that take the package; the repository for their apt is on the lab's disc.
debian_tests() {
  if ! make_deb || ! logged debian "make the Debian guests" prepare_debian "${lab_kernels[@]}"; then
    count 0 1
    return
  fi
  vm_scenario "debian 6.1 and 6.12 guide" run_two_debians 6.1 6.12 /lab/tests/debian/guide.sh
}
