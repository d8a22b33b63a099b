#!/bin/bash
# Prints the manual page of a configuration file, from its section of docs/configuration.md.
# usage: manual_5.sh krait.toml|policy.toml
set -euo pipefail
cd "$(dirname "$0")/.."

# section FILE: its title without the file's name, then its text.
section() { awk -v file="## $1: " '/^## / { inside = index($0, file) == 1; next } inside' docs/configuration.md; }

summary=$(sed -n "s/^## $1: //p" docs/configuration.md)
[[ -n $summary ]] || { echo "docs/configuration.md has no section about $1" >&2; exit 1; }
printf '.TH "%s" "5" "" "krait" ""\n.SH NAME\n%s \\- %s\n.SH DESCRIPTION\n' "$1" "$1" "$summary"
# A table's rows become a list: a terminal is narrower than they are.
section "$1" | cmark-gfm -e table -t man | awk '
  /^\.TS$/ { table = 4 }
  /^\.TE$/ { table = 0; next }
  table > 1 { table--; next }
  table == 1 { table = -1; next }
  table == -1 {
    n = split($0, cell, "@")
    printf ".TP\n%s\n%s%s\n", cell[1], (n > 2 && cell[2] != "" ? cell[2] ". " : ""), cell[n]
    next
  }
  { print }' | sed 's|\([a-z_]*\.md\) (\1)|/usr/share/doc/krait/docs/\1|'
printf '.SH SEE ALSO\n.BR krait (1),\n.BR krait\\-agent (8),\n.BR krait\\-link (8),\n.BR krait.toml (5),\n.BR policy.toml (5)\n'
