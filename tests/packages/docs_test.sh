#!/bin/bash
# What documents that a package ships link to is in the same package.
# usage: docs_test.sh ROOT
set -euo pipefail
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# dangling FOLDER: each link of a document there, to a file, that leads to none.
dangling() {
  local page link
  while read -r page; do
    while read -r link; do
      [[ -e ${page%/*}/$link ]] || echo "${page#"$work"/}: $link"
    done < <(sed '/^    /d' "$page" | grep -oE '\]\([^):#]+' | sed 's/^](//' | sort -u)
  done < <(find "$1" -name '*.md')
}

for list in packaging/debian/*.docs; do
  package=$(basename "$list" .docs)
  mkdir "$work/$package"
  while read -r file; do cp -r "$file" "$work/$package"; done <"$list"
  dangling "$work/$package" >>"$work/found"
done
[[ ! -s $work/found ]] || { echo "links that lead nowhere:" && cat "$work/found" && exit 1; }

# The test can fail.
mkdir "$work/planted"
echo 'see [it](none.md)' >"$work/planted/page.md"
[[ -n $(dangling "$work/planted") ]] || { echo "a link that leads nowhere is not noticed" && exit 1; }
