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

/* Whether a route of the network's own, and no wider one, leads through the interface that was found. */
static __always_inline int is_own_way(struct scratch* scratch, struct identity* behind, const __u32* address_be) {
  struct krait_way* way = &scratch->way;
  way->length = covering_network(behind, address_be);
  copy_address(way->network_be, behind->masked_be);
  way->interface = scratch->route.ifindex;
  return bpf_map_lookup_elem(&krait_ways, way) != 0;
}

/* Of a packet that came in for a peer or a network behind this host. */
static __always_inline int check_way_on(struct __sk_buff* skb, const struct view* view, struct scratch* scratch) {
  struct identity* destination = &scratch->destination;
  const int route = ask_route(skb, scratch, 0);
  if (!(destination->owner & KRAIT_ENTRY_LOCAL)) {
    return route == ROUTE_FORWARDED && scratch->route.ifindex == skb->ifindex ? KRAIT_ALLOWED
                                                                              : KRAIT_REASON_NOT_RELAYED;
  }
  if (route == ROUTE_KEPT || route == ROUTE_UNKNOWN) {
    const int became = become_this_host(view, destination);
    scratch->judgement.destination_tag = destination->tag;
    return became ? KRAIT_ALLOWED : KRAIT_REASON_NOT_RELAYED;
  }
  return route == ROUTE_FORWARDED && scratch->route.ifindex != skb->ifindex &&
                 is_own_way(scratch, destination, scratch->packet.tuple.destination_be)
             ? KRAIT_ALLOWED
             : KRAIT_REASON_NOT_RELAYED;
}

/* Of a packet that leaves with a source behind this host. */
static __always_inline int check_way_back(struct __sk_buff* skb, const struct view* view, struct scratch* scratch) {
  struct identity* source = &scratch->source;
  const int route = ask_route(skb, scratch, 1);
  if (skb->ingress_ifindex != 0) {
    return route == ROUTE_FORWARDED && scratch->route.ifindex == skb->ingress_ifindex &&
                   is_own_way(scratch, source, scratch->packet.tuple.source_be)
               ? KRAIT_ALLOWED
               : KRAIT_REASON_REVERSE_PATH;
  }
  if (route != ROUTE_KEPT) {
    return KRAIT_REASON_SOURCE_NOT_LOCAL;
  }
  const int became = become_this_host(view, source);
  scratch->judgement.source_tag = source->tag;
  return became ? KRAIT_ALLOWED : KRAIT_REASON_SOURCE_NOT_LOCAL;
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
