# shellcheck shell=bash disable=SC2154,SC2034
# ./x test. Sourced by x; needs report.sh, guests.sh.

# Half of the CPUs: guests have the others meanwhile.
half_of_cpus() { echo $((($(nproc) + 1) / 2)); }

# What clang compiles and the sanitizers watch.
sanitized_chain() {
  local jobs
  jobs=$(half_of_cpus)
  if ! CMAKE_BUILD_PARALLEL_LEVEL=$jobs build clang sanitized_tests; then
    count 0 1
    return
  fi
  ctest_group "unit tests under the sanitizers" clang unit "$jobs"
  ctest_group "BPF packet tests" clang bpf 1 root
  ctest_group "namespace tests" clang netns 1 root
  ctest_group "images, beside other tools" clang images 1 root
}

# What sanitizers would hide, and threads, which have a sanitizer of their own.
unsanitized_chain() {
  ctest_group "what sanitizers would hide" release release $(($(half_of_cpus) + 1)) # the first ones wait
  ctest_group "benchmarks at their smallest" release bench 1 root
  ctest_group "a zone's first process, in guests" release zone 1 root
  if CMAKE_BUILD_PARALLEL_LEVEL=1 build tsan "${threaded_tests[@]}"; then
    ctest_group "threads under the thread sanitizer" tsan threads 1 root
  else
    count 0 1
  fi
}

shipped_programs=("${lab_programs[@]}" "${dom0_programs[@]}" "${zone_programs[@]}" krait_reference)

# The tests with the label threads.
threaded_tests=(common_event_test common_event_clients_test switch_test)

# prepare_tests: builds what ships, and meanwhile installs and fetches what the tests and their guests are made of.
prepare_tests() {
  local fetching status=0
  install_packages "${build_packages[@]}"
  { install_packages "${test_packages[@]}" && fetch_lab "${lab_kernels[@]}" && fetch_xen_lab && guest_accelerator >/dev/null; } \
    >"$log_dir/fetch.log" 2>&1 &
  fetching=$!
  build release release_tests "${shipped_programs[@]}" || status=1
  wait "$fetching" || status=1
  cat "$log_dir/fetch.log"
  ((status == 0)) && make_guests "${lab_kernels[@]}" && make_xen_lab
}

run_test() {
  if [[ $* == --all ]]; then
    one_kernel_scenarios=() one_hypervisor_scenarios=()
    xen_role=long xen_scenario_seconds=1200
  elif (($#)); then
    run_some_tests "$@"
    return
  fi
  mkdir -p "$log_dir"
  rm -f "$times_file" "$log_dir"/*.sum
  if ! prepare_tests; then
    count 0 1
    summary
    return 1
  fi
  # The longest first, so that none is left to run by itself at the end.
  begin sanitized sanitized_chain
  begin debian debian_tests
  xen_tests
  begin unsanitized unsanitized_chain
  vm_tests
  pair_tests
  finish
  summary
}

# run_some_tests NAME...: scenarios of tests/vm, on both kernels, and of tests/xen, the guide, and other tests by CTest's names.
run_some_tests() {
  local name guide=false
  local -a scenarios=() zones=() others=()
  rm -f "$times_file"
  for name in "$@"; do
    if [[ -e tests/vm/$name.sh ]]; then
      scenarios+=("$name")
    elif [[ -e tests/xen/$name.sh ]]; then
      zones+=("$name")
    elif [[ $name == guide ]]; then
      guide=true
    else
      others+=("$name")
    fi
  done
  install_packages "${build_packages[@]}" "${lab_packages[@]}"
  ((${#others[@]} == 0)) || install_packages "${image_packages[@]}" "${store_packages[@]}" "${zone_packages[@]}" "${database_packages[@]}"
  mkdir -p "$log_dir"
  if ((${#others[@]})); then
    logged configure "configure" configure_both || exit 2
    build_tests_named "${others[@]}"
    for name in "${others[@]}"; do run_test_named "$name"; done
  fi
  if ((${#scenarios[@]})); then
    build release "${lab_programs[@]}" program_test wireguard_device_test || exit 2
    { fetch_lab "${lab_kernels[@]}" && make_guests "${lab_kernels[@]}"; } || exit 2
    rm -f "$log_dir"/*.sum
    vm_tests "${scenarios[@]}"
    finish
  fi
  if ((${#zones[@]})); then
    install_packages "${xen_packages[@]}"
    build release "${dom0_programs[@]}" "${zone_programs[@]}" || exit 2
    { fetch_lab "${lab_kernels[@]}" && fetch_xen_lab && make_xen_lab; } || exit 2
    rm -f "$log_dir"/*.sum
    xen_tests "${zones[@]}"
    finish
  fi
  if "$guide"; then
    install_packages "${deb_packages[@]}" "${debian_packages[@]}"
    fetch_lab "${lab_kernels[@]}" || exit 2
    debian_tests
  fi
  summary
}

configure_both() { cmake --preset clang && cmake --preset release; }

# preset_of TEST: which of the two builds runs it in ./x test; fails where there is no such test.
preset_of() {
  ctest --test-dir build/clang --show-only=json-v1 | jq -r --arg name "$1" '
    .tests[] | select(.name == $name) | [.properties[] | select(.name == "LABELS").value[]]
    | if any(. == ("unit", "bpf", "netns", "images")) then "clang" else "release" end' | grep .
}

# boots_guests TEST: whether it does so itself.
boots_guests() { ctest --test-dir build/release -N -L '^zone$' -R "^$1\$" | grep -q 'Total Tests: 1$'; }

# build_tests_named TEST...
build_tests_named() {
  local name preset
  local -A presets=()
  for name in "$@"; do
    preset=$(preset_of "$name") || die "no test is called $name; ctest --test-dir build/clang -N and ls tests/vm list them"
    presets[$preset]=1
    ! boots_guests "$name" || fetch_lab "${lab_kernels[@]}" || exit 2
  done
  [[ -z ${presets[clang]:-} ]] || build clang sanitized_tests || exit 2
  [[ -z ${presets[release]:-} ]] || build release release_tests "${shipped_programs[@]}" || exit 2
}

run_test_named() {
  local prefix log=$log_dir/$1.log
  prefix=$(root_prefix) || prefix=
  if ${prefix:+"$prefix"} ctest --test-dir "build/$(preset_of "$1")" -R "^$1\$" -V >"$log" 2>&1 </dev/null; then
    count 1 0
    echo "$1 passed"
  else
    count 0 1
    echo "$1 failed"
    show_failures "$log"
  fi
}
