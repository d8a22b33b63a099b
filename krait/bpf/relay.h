/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A packet that arrives for a peer is judged as the peer's, so the kernel has to send it there. Where it would keep it
 * (an address of its own lies in the peer's prefix), send it somewhere else or does not forward, the identity that was
 * judged is not the one that the packet reaches.
 */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "krait/bpf/scratch.h"

#define RELAY_AF_INET 2
#define RELAY_AF_INET6 10

/* Fills in what the kernel's own lookup of a packet from this interface goes by. */
static __always_inline void ask_route(struct __sk_buff* skb, struct scratch* scratch) {
  const struct packet* packet = &scratch->packet;
  struct bpf_fib_lookup* route = &scratch->route;
  __builtin_memset(route, 0, sizeof(*route));
  route->family = packet->is_v6 ? RELAY_AF_INET6 : RELAY_AF_INET;
  route->l4_protocol = packet->tuple.protocol;
  route->ifindex = skb->ifindex;
  if (packet->is_v6) {
    copy_address(route->ipv6_src, packet->tuple.source_be);
    copy_address(route->ipv6_dst, packet->tuple.destination_be);
  } else {
    route->ipv4_src = packet->tuple.source_be[3];
    route->ipv4_dst = packet->tuple.destination_be[3];
  }
}

/* Of a packet that came in: it is for this host or a network behind it, or goes out again where it came in. */
static __always_inline int is_as_judged(struct __sk_buff* skb, struct scratch* scratch) {
  if (scratch->destination.flags & KRAIT_ENTRY_LOCAL) {
    return 1;
  }
  ask_route(skb, scratch);
  const long answer = bpf_fib_lookup(skb, &scratch->route, sizeof(scratch->route), 0);
  /* A WireGuard link has no neighbours, and what is too large is the kernel's to answer. */
  return (answer == BPF_FIB_LKUP_RET_SUCCESS || answer == BPF_FIB_LKUP_RET_NO_NEIGH ||
          answer == BPF_FIB_LKUP_RET_FRAG_NEEDED) &&
         scratch->route.ifindex == skb->ifindex;
}
