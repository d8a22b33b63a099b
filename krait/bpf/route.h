/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Whether a packet goes where the identity that it is judged by says, and comes from there. Addresses alone do not
 * tell: a packet for a peer may be kept by this host or sent elsewhere, one for a network behind it may be for the host
 * itself or follow a wider route, and a neighbour may send with whatever source it likes. So the kernel's own routing
 * is asked, for all packets but those between this host and its peers.
 */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "krait/bpf/scratch.h"
#include "krait/bpf/snapshot.h"

#define ROUTE_AF_INET 2
#define ROUTE_AF_INET6 10

enum route { ROUTE_REFUSED, ROUTE_KEPT, ROUTE_UNKNOWN, ROUTE_FORWARDED };

/*
 * What the kernel does with a packet between these two that comes in through the interface. Leaves the interface that
 * it is forwarded to in scratch->route.ifindex. ROUTE_KEPT: it is for this host, or for nobody. ROUTE_UNKNOWN: the
 * kernel forwards nothing from this interface, and does not say what it would have done.
 */
static __noinline int ask_route(struct __sk_buff* skb, struct scratch* scratch, int is_back) {
  const struct packet* packet = &scratch->packet;
  const __u32* source_be = is_back ? packet->tuple.destination_be : packet->tuple.source_be;
  const __u32* destination_be = is_back ? packet->tuple.source_be : packet->tuple.destination_be;
  struct bpf_fib_lookup* route = &scratch->route;
  __builtin_memset(route, 0, sizeof(*route));
  route->family = packet->is_v6 ? ROUTE_AF_INET6 : ROUTE_AF_INET;
  route->l4_protocol = packet->tuple.protocol;
  route->ifindex = skb->ifindex;
  if (packet->is_v6) {
    copy_address(route->ipv6_src, source_be);
    copy_address(route->ipv6_dst, destination_be);
  } else {
    route->ipv4_src = source_be[3];
    route->ipv4_dst = destination_be[3];
  }
  switch (bpf_fib_lookup(skb, route, sizeof(*route), 0)) {
    /* Where there are no neighbours, as on a tunnel, none is known; what is too large is the kernel's to answer. */
    case BPF_FIB_LKUP_RET_SUCCESS:
    case BPF_FIB_LKUP_RET_NO_NEIGH:
    case BPF_FIB_LKUP_RET_FRAG_NEEDED:
      return ROUTE_FORWARDED;
    case BPF_FIB_LKUP_RET_NOT_FWDED:
      return ROUTE_KEPT;
    case BPF_FIB_LKUP_RET_FWD_DISABLED:
      return ROUTE_UNKNOWN;
    default:
      return ROUTE_REFUSED;
  }
}

/* What the agent knows of an address in this network behind the host; none: no route of the network's own is there. */
static __always_inline const struct krait_way* find_way(struct scratch* scratch, const struct identity* behind,
                                                        const __u32* address_be) {
  scratch->way.prefixlen = 128;
  for (int i = 0; i < 4; i++) {
    scratch->way.address_be[i] = address_be[i];
  }
  const struct krait_way* way = bpf_map_lookup_elem(&krait_ways, &scratch->way);
  return way && way->length == KRAIT_ENTRY_LENGTH(behind->owner) ? way : 0;
}

static __always_inline int leads_through(const struct krait_way* way, __u32 interface) {
  int leads = 0;
  for (__u32 i = 0; i < KRAIT_WAY_INTERFACES; i++) {
    leads |= way->interfaces[i] == interface;
  }
  return leads && interface != 0;
}

/* An address in a network behind this host that is the host's own: the kernel must not send it anywhere else. */
static __always_inline int is_kept(const struct krait_way* way, int route) {
  return way->is_own && (route == ROUTE_KEPT || route == ROUTE_UNKNOWN);
}

/* Of a packet that came in for a peer or a network behind this host. */
static __always_inline int check_way_on(struct __sk_buff* skb, const struct view* view, struct scratch* scratch) {
  struct identity* destination = &scratch->destination;
  const int route = ask_route(skb, scratch, 0);
  if (!(destination->owner & KRAIT_ENTRY_LOCAL)) {
    return route == ROUTE_FORWARDED && scratch->route.ifindex == skb->ifindex ? KRAIT_ALLOWED
                                                                              : KRAIT_REASON_NOT_RELAYED;
  }
  const struct krait_way* way = find_way(scratch, destination, scratch->packet.tuple.destination_be);
  if (!way) {
    return KRAIT_REASON_NOT_RELAYED;
  }
  if (is_kept(way, route)) {
    const int became = become_this_host(view, destination);
    scratch->judgement.destination_tag = destination->tag;
    return became ? KRAIT_ALLOWED : KRAIT_REASON_NOT_RELAYED;
  }
  return route == ROUTE_FORWARDED && scratch->route.ifindex != skb->ifindex &&
                 leads_through(way, scratch->route.ifindex)
             ? KRAIT_ALLOWED
             : KRAIT_REASON_NOT_RELAYED;
}

/* Of a packet that leaves with a source behind this host. Of several next hops the kernel names one. */
static __always_inline int check_way_back(struct __sk_buff* skb, const struct view* view, struct scratch* scratch) {
  struct identity* source = &scratch->source;
  const __u32 came_in = skb->ingress_ifindex;
  const int refused = came_in != 0 ? KRAIT_REASON_REVERSE_PATH : KRAIT_REASON_SOURCE_NOT_LOCAL;
  const int route = ask_route(skb, scratch, 1);
  const struct krait_way* way = find_way(scratch, source, scratch->packet.tuple.source_be);
  if (!way) {
    return refused;
  }
  if (came_in != 0) {
    return route == ROUTE_FORWARDED && leads_through(way, scratch->route.ifindex) && leads_through(way, came_in)
               ? KRAIT_ALLOWED
               : refused;
  }
  if (!is_kept(way, route)) {
    return refused;
  }
  const int became = become_this_host(view, source);
  scratch->judgement.source_tag = source->tag;
  return became ? KRAIT_ALLOWED : refused;
}

static __always_inline int is_between_hosts(const struct scratch* scratch, __u32 direction) {
  const __u32 behind = KRAIT_ENTRY_LOCAL | KRAIT_ENTRY_ROUTED;
  return direction == KRAIT_INGRESS ? (scratch->destination.owner & behind) == KRAIT_ENTRY_LOCAL
                                    : (scratch->source.owner & behind) != behind;
}

/* Both ends are known. May make one of them this host. */
static __noinline int check_route(struct __sk_buff* skb, const struct view* view, __u32 direction,
                                  struct scratch* scratch) {
  return direction == KRAIT_INGRESS ? check_way_on(skb, view, scratch) : check_way_back(skb, view, scratch);
}
