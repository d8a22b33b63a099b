#!/bin/bash
# The manual pages and completions tell what the programs take: every command and option of their help stands in each of them,
# the pages are without faults, and bash completes them.
# usage: reference_test.sh BIN-FOLDER ROOT
set -euo pipefail
bin=$1
cd "$2"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fault() { echo "$*" && failed=1; }

programs=(krait krait-agent krait-link krait-coordinator krata kratad krata-block krata-store)
for program in "${programs[@]}"; do
  for form in man bash zsh fish; do "$bin/krait_reference" "$form" "$program" >"$work/$program.$form"; done
done

# commands PROGRAM PATH...: the commands in the help of `PROGRAM PATH...`.
commands() { "$bin/$1" "${@:2}" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'; }
# options PROGRAM PATH...
options() { "$@" --help | sed -n '/^Options:/,/^$/s/^ *\(-[^ ]*\).*/\1/p' | tr ',' '\n'; }

# expect FORM FILE WORD...: each of them is in the file.
expect() {
  local word text
  text=$(sed 's/\\-/-/g; s/\\f.//g' "$work/$1.$2")
  for word in "${@:3}"; do
    case $2 in
      fish) word=$(sed 's/^--/-l /; t; s/^-/-s /' <<<"$word") ;;
    esac
    grep -qE -e "(^|[^a-z-])$word([^a-z-]|$)" <<<"$text" || fault "$1.$2 lacks $word"
  done
}

# is_own PROGRAM COMMAND...: it is no command that the program becomes another one for (krait token).
is_own() { "$bin/$1" "${@:2}" --help | grep -q "^Usage: $1 "; }

# paths PROGRAM: the commands of two levels, a line each.
paths() {
  local name below
  for name in $(commands "$1"); do
    is_own "$1" "$name" || continue
    echo "$name"
    for below in $(commands "$1" "$name"); do ! is_own "$1" "$name" "$below" || echo "$name $below"; done
  done
}

# expect_commands PROGRAM LEAST: each of its commands, of which there are more than LEAST, with its options.
expect_commands() {
  local found=0
  local -a path words
  while read -r -a path; do
    found=$((found + 1))
    mapfile -t words < <(options "$bin/$1" "${path[@]}")
    for form in man bash zsh fish; do expect "$1" "$form" "${path[-1]}" "${words[@]}"; done
    expect "$1" man "$1 ${path[*]}"
  done < <(paths "$1")
  ((found > $2)) || fault "the help of $1 shows only $found commands"
}
expect_commands krait 10
expect_commands krait-coordinator 10
expect_commands krata 6
for program in krait-agent krait-link kratad krata-block krata-store; do
  mapfile -t words < <(options "$bin/$program")
  for form in man bash zsh fish; do expect "$program" "$form" "${words[@]}"; done
done

# A flag takes no value: neither shown as one nor, in bash, completed with files.
for page in "$work"/*.man; do
  flags=$(sed 's/\\-/-/g; s/\\f.//g' "$page" | grep -E -e '--(keep-enforcing|plain-http|without-xen|version|help) TEXT') || true
  [[ -z $flags ]] || fault "${page##*/}: a flag is shown with a value: $flags"
done

for page in "$work"/*.man; do
  said=$(groff -man -Tutf8 -ww -z "$page" 2>&1) || true
  [[ -z $said ]] || fault "${page##*/}: $said"
done

# completes "LINE" WORD: the last word of LINE may become WORD.
completes() {
  local line=$1 function=_${1%% *}
  read -ra COMP_WORDS <<<"$line"
  [[ $line != *" " ]] || COMP_WORDS+=("")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  # shellcheck disable=SC2317
  compopt() { :; }
  "${function//-/_}"
  [[ " ${COMPREPLY[*]} " == *" $2 "* ]] || fault "'$line' is completed to '${COMPREPLY[*]}', not to $2"
}
for program in "${programs[@]}"; do
  # shellcheck source=/dev/null
  . "$work/$program.bash"
done
completes "krait sta" status
completes "krait policy ch" check
completes "krait policy explain --fr" --from
completes "krait status -o js" json
completes "krait-agent --conf" --config
completes "krata image pa" pack
completes "krata image pack --form" --format
completes "krata-store --st" --state
if command -v zsh >/dev/null; then for program in "${programs[@]}"; do zsh -n "$work/$program.zsh" || failed=1; done; fi
if command -v fish >/dev/null; then for program in "${programs[@]}"; do fish -n "$work/$program.fish" || failed=1; done; fi

# The test can fail.
before=$failed
failed=0
expect krait man no-such-command >/dev/null
((failed == 1)) || { echo "a missing command is not noticed" && exit 1; }
exit "$before"
