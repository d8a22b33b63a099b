# shellcheck shell=bash disable=SC2154
# The guides of README.md, cut into their code blocks: guide_title says which.

# guide_block N: the Nth code block of the guide.
guide_block() {
  awk -v title="$guide_title" -v wanted="$1" '
    /^## / { inside = $0 == title; next }
    inside && /^```/ { open = !open; block += open; next }
    inside && open && block == wanted' /lab/README.md
}

# guide_commands N: the block's commands, one a line, without comments; those that the comment gives to web1 only with `web1`.
guide_commands() {
  guide_block "$1" | if [[ ${2:-} == web1 ]]; then cat; else grep -v '# on web1$'; fi | sed 's/ *#.*//'
}

# roles_exchanged: what is web1's becomes db1's, and the other way round.
roles_exchanged() {
  sed -E 's/web/\x01/g; s/\bdb/web/g; s/\x01/db/g
    s/(10\.90\.0\.|fd90::|192\.0\.2\.)1\b/\1\x01/g; s/(10\.90\.0\.|fd90::|192\.0\.2\.)2\b/\11/g; s/\x01/2/g'
}
