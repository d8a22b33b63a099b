# shellcheck shell=bash
# Steps of the demo and of the scenarios: each prints one line, finish prints the sum.

steps_passed=0
steps_failed=0

# check TEXT OBSERVED COMMAND...: the step holds when the command succeeds.
check() {
  local text=$1 observed=$2
  shift 2
  if "$@" >/dev/null 2>&1; then
    steps_passed=$((steps_passed + 1))
    printf 'ok      %s%s\n' "$text" "${observed:+: $observed}"
  else
    steps_failed=$((steps_failed + 1))
    printf 'FAILED  %s%s\n' "$text" "${observed:+: $observed}"
  fi
}

# How many times as long until_true waits: whoever starts a guest says so where its time is that of a machine which may be busy.
patience=1
if [[ $(</proc/cmdline) =~ lab\.patience=([0-9]+) ]]; then patience=${BASH_REMATCH[1]}; fi

# until_true SECONDS COMMAND...: for what nobody announces. Asks less often the longer it takes: each question costs an emulated
# guest more than the wait.
until_true() {
  local end=$((SECONDS + $1 * patience)) tenths=1
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    nap "0.$tenths"
    ((tenths == 9)) || tenths=$((tenths + 1))
  done
}

# nap SECONDS: sleeps, without a process: nobody ever writes there.
nap() {
  [[ -p /tmp/nap ]] || mkfifo /tmp/nap
  read -rt "$1" <>/tmp/nap || true
}

title() { printf '\n%s\n' "$*"; }

# told COMMAND...: shows the command and what it prints.
told() {
  printf '    $ %s\n' "$*"
  "$@" 2>&1 | sed 's/^/    /'
}

# status_kib PID FIELD: VmRSS, RssAnon and others of proc(5).
status_kib() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"; }

# finish NAME: the last call of a script.
finish() {
  echo "$1: $steps_passed passed, $steps_failed failed"
  ((steps_failed == 0 && steps_passed > 0))
}
