# shellcheck shell=bash
# Packets in hexadecimal, for `krait-lab-traffic icmp`.

# hex_of ADDRESS: IPv4, or IPv6 with one "::".
hex_of() {
  if [[ $1 != *:* ]]; then
    # shellcheck disable=SC2086
    printf '%02x' ${1//./ }
    return
  fi
  local -a left right
  local group zeros
  IFS=: read -ra left <<<"${1%%::*}"
  IFS=: read -ra right <<<"${1##*::}"
  for group in "${left[@]}"; do printf '%04x' "0x$group"; done
  for ((zeros = 8 - ${#left[@]} - ${#right[@]}; zeros > 0; zeros--)); do printf '0000'; done
  for group in "${right[@]}"; do printf '%04x' "0x$group"; done
}

# too_big MTU SOURCE DESTINATION PROTOCOL SOURCE-PORT DESTINATION-PORT: the ICMP (RFC 1191) or ICMPv6 (RFC 4443) message that
# says that this packet of 1400 bytes did not fit.
too_big() {
  local ports
  ports=$(printf '%04x%04x0000000000000000' "$5" "$6")
  if [[ $2 == *:* ]]; then
    printf '02000000%08x' "$1"
    printf '600000000550%02x40%s%s%s' "$4" "$(hex_of "$2")" "$(hex_of "$3")" "$ports"
  else
    printf '030400000000%04x' "$1"
    printf '450005780000400040%02x0000%s%s%s' "$4" "$(hex_of "$2")" "$(hex_of "$3")" "$ports"
  fi
}
