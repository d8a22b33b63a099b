# shellcheck shell=bash disable=SC2154
# What benchmarks in guests have in common: medians of ratios, and the lines that they print.

csv() { local IFS=,; echo "csv,$*"; }
die() { echo "$*" && exit 1; }

busy_ticks() { awk '$1 == "cpu" { print $2 + $3 + $4 + $7 + $8 }' /proc/stat; }

# column FILE SIDE FIELD: the values of lines ROUND SIDE VALUE...
column() { awk -v side="$2" -v field="$3" '$2 == side { print $field }' "$1"; }
# quantile N: the value below which N quarters of the values are.
quantile() { sort -n | awk -v n="$1" '{ value[NR] = $1 } END { print value[int((NR - 1) * n / 4 + 0.5) + 1] }'; }
# ratios FILE SIDE FIELD: to the side $compared_with, round by round.
ratios() {
  paste <(column "$1" "$2" "$3") <(column "$1" "$compared_with" "$3") | awk '{ printf "%.3f\n", $1 / $2 }'
}

# aim_line WHAT 1|0 MEASURED
aim_line() { printf -- '- aim: %s: **%s** (%s)\n\n' "$1" "$(if (($2)); then echo met; else echo MISSED; fi)" "$3"; }

# spread FILE SIDE FIELD: the ratios' median and quartiles.
spread() {
  ratios "$@" >"$1-ratios"
  echo "$(quantile 2 <"$1-ratios") ($(quantile 1 <"$1-ratios") to $(quantile 3 <"$1-ratios"))"
}
