/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Why a packet was dropped: the only list. The enum, the metric label and docs/drop_reasons.md are made from it.
 * X(enum name, label, what it means)
 */
#pragma once

#define KRAIT_REASONS(X)                                                                                               \
  X(NO_POLICY, "no_policy", "no policy snapshot is active yet; everything is denied")                                  \
  X(NOT_IP, "not_ip", "neither IPv4 nor IPv6")                                                                         \
  X(TRUNCATED, "truncated", "the packet ends before its headers do")                                                   \
  X(MALFORMED, "malformed", "header fields contradict each other or the packet's length")                              \
  X(EXTENSION_HEADERS, "extension_headers", "more than 8 IPv6 extension headers")                                      \
  X(ROUTING_HEADER, "routing_header", "IPv6 routing header of type 0 (RFC 5095), or with segments left")               \
  X(SOURCE_ROUTE, "source_route", "IPv4 source routing: an LSRR or SSRR option (RFC 7126 4.3, 4.4)")                   \
  X(FRAGMENT_SHORT, "fragment_short", "a first fragment too short to hold the transport header (RFC 1858, RFC 7112)")  \
  X(FRAGMENT_OVERLAP, "fragment_overlap", "a TCP fragment at offset 8, which could overwrite flags (RFC 3128)")        \
  X(FRAGMENT_UNKNOWN, "fragment_unknown", "a later fragment whose first fragment was not let through before it")       \
  X(NEIGHBOUR_DISCOVERY, "neighbour_discovery", "ICMPv6 neighbour discovery, which a WireGuard link does not use")     \
  X(MULTICAST, "multicast", "to a multicast address")                                                                  \
  X(BROADCAST, "broadcast", "to the IPv4 broadcast address")                                                           \
  X(UNKNOWN_SOURCE, "unknown_source", "the source address belongs to no identity")                                     \
  X(UNKNOWN_DESTINATION, "unknown_destination", "the destination address belongs to no identity")                      \
  X(SOURCE_NOT_LOCAL, "source_not_local", "leaving with a source that this host may not send from")                    \
  X(REVERSE_PATH, "reverse_path",                                                                                      \
    "on its way into the tunnel with a source of this host, behind it or unknown, but it came in where that source's " \
    "route does not lead")                                                                                             \
  X(SOURCE_IS_LOCAL, "source_is_local", "arriving with a source that belongs to this host")                            \
  X(DESTINATION_IS_LOCAL, "destination_is_local",                                                                      \
    "leaving through the tunnel for an address of this host or behind it")                                             \
  X(DENIED_BY_RULE, "denied_by_rule", "a deny rule matches")                                                           \
  X(NO_RULE, "no_rule", "no rule allows it")                                                                           \
  X(RULE_EXPIRED, "rule_expired", "the rule that allowed it has expired, and no other rule allows it")                 \
  X(FLOW_REVOKED, "flow_revoked", "a reply whose flow the policy no longer allows")                                    \
  X(ICMP_ERROR_UNRELATED, "icmp_error_unrelated",                                                                      \
    "an ICMP error from somebody with no say in what it quotes, or of no live flow where no rule allows it")           \
  X(NOT_RELAYED, "not_relayed",                                                                                        \
    "arriving for a peer or a network behind a host, but this host would not send it on there")                        \
  X(OUTSIDE_TUNNEL, "outside_tunnel",                                                                                  \
    "arriving on another interface than the tunnel with a source whose way is the tunnel, or that is this host's")

#define KRAIT_REASON_ENUM(name, label, meaning) KRAIT_REASON_##name,
enum krait_reason {
  KRAIT_ALLOWED, /* not a drop */
  KRAIT_REASONS(KRAIT_REASON_ENUM) KRAIT_REASON_COUNT
};
#undef KRAIT_REASON_ENUM
