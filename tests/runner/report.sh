# shellcheck shell=bash disable=SC2154,SC2034
# What passed, what failed, and how long it took. Sourced by x.

passed=0
failed=0
skipped=0

# count PASSED FAILED [SKIPPED]
count() {
  passed=$((passed + $1))
  failed=$((failed + $2))
  skipped=$((skipped + ${3:-0}))
}

# skip NUMBER WHY: in CI a skipped test is a failed one.
skip() {
  if [[ ${CI:-} == true ]]; then failed=$((failed + $1)); else skipped=$((skipped + $1)); fi
  echo "    skipped: $2"
}

summary() {
  local text="$passed passed, $failed failed"
  ((skipped == 0)) || text+=", $skipped skipped"
  if [[ -s $times_file ]]; then
    echo "the slowest:"
    sort -rn "$times_file" | head -n 10 | awk '{ s = $1; sub(/^[^ ]+ /, ""); printf "  %5.0f s  %s\n", s, $0 }'
  fi
  echo "$text, in $SECONDS s"
  ((failed == 0))
}

# What took how long: "SECONDS NAME", a line each.
times_file=$log_dir/times
note_time() { echo "$1 $2" >>"$times_file"; }

# ctest_group NAME PRESET LABEL JOBS [root]: the tests of one label. One line when they end, as others may run meanwhile.
ctest_group() {
  local name=$1 preset=$2 label=$3 jobs=$4 need=${5:-} log=$log_dir/$1.log prefix=
  if [[ $need == root ]] && ! prefix=$(root_prefix); then
    echo "$name"
    skip 1 "these tests need root; run as root or install sudo"
    return
  fi
  [[ -z $prefix ]] || say "the next tests run with $prefix, they make network namespaces and load BPF programs"
  local start=$SECONDS status=0 good bad skips
  ${prefix:+"$prefix"} ctest --test-dir "build/$preset" -L "^$label\$" -j "$jobs" --no-tests=error -V >"$log" 2>&1 </dev/null ||
    status=$?
  [[ -z $prefix ]] || "$prefix" chown -R "$(id -u):$(id -g)" "build/$preset"
  good=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#[0-9]+: .* Passed ' "$log") || true
  bad=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#[0-9]+: .*\*\*\*' "$log") || true
  ((status == 0 || bad > 0)) || bad=1
  skips=$(grep -cE '^[0-9]+: \[  SKIPPED \] .* ms\)' "$log") || true
  count "$good" "$bad"
  printf '%-44s%s passed, %s failed (%s s)\n' "$name" "$good" "$bad" "$((SECONDS - start))"
  if ((skips > 0)); then skip "$skips" "$(grep -hE -A1 '^[0-9]+: .*: Skipped' "$log" | grep -v ': Skipped' | sort -u | head -n 3)"; fi
  sed -nE 's|^ *[0-9]+/[0-9]+ Test +#[0-9]+: ([^ ]+) .* ([0-9.]+) sec.*|\2 \1|p' "$log" >>"$times_file"
  ((bad == 0)) || show_failures "$log"
}

# What failed where, last: CI's page has the end alone.
show_failures() {
  echo "    all of it: ${1#"$root_dir/"}"
  grep -E '\*\*\*' "$1" || tail -n 15 "$1"
  grep -E -A8 '^[0-9]+: .*(Failure$|ERROR:)' "$1" | head -n 60 || true
}

# vm_scenario TITLE COMMAND...: counts the steps that it prints.
vm_scenario() {
  local title=$1 start=$SECONDS status=0 log
  log=$log_dir/${title//[ \/]/-}.log
  shift
  "$@" >"$log" 2>&1 || status=$?
  report_steps "$title" "$log" "$status" "$((SECONDS - start))"
}

# report_steps TITLE LOG STATUS SECONDS: counts, and prints a line when it has ended: others run at the same time.
report_steps() {
  local title=$1 log=$2 status=$3 good bad
  read -r good bad < <(count_steps "$log")
  ((status == 0 || bad > 0)) || bad=1
  count "$good" "$bad"
  printf '%-44s%s passed, %s failed (%s s)\n' "$title" "$good" "$bad" "$4"
  note_time "$4" "$title"
  if ((bad > 0)); then
    grep '^FAILED  ' "$log" || true
    [[ ! -e tests/vm/${title##* }.sh && ! -e tests/xen/${title##* }.sh && ${title##* } != guide ]] || echo "    alone: ./x test ${title##* }"
    echo "    exit status $status, all of it: ${log#"$root_dir/"}, the end:"
    tail -n 25 "$log"
  fi
}

# count_steps LOG: how many passed and how many failed, in the last of two runs (see with_another_chance).
count_steps() {
  awk '/^once more/ { good = bad = 0 } /^ok  / { ++good } /^FAILED  / { ++bad } END { print good + 0, bad + 0 }' "$1"
}
