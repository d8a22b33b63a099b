/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The fence: what arrives on the host's other interfaces must not come with a peer's address, for WireGuard's check of
 * sources sees only what the tunnel carries, and services, answers and networks behind this host would take it for the
 * peer's. It is a reverse path check for the tunnel's identities, in both families.
 */
#pragma once

#include "krait/bpf/count.h"
#include "krait/bpf/parse.h"
#include "krait/bpf/report.h"
#include "krait/bpf/route.h"
#include "krait/bpf/snapshot.h"

#define LOOPBACK_INTERFACE 1 /* LOOPBACK_IFINDEX of include/net/flow.h */

/* How much of the packet lies before its IP header. An IP length of 0 is BIG TCP's. */
static __always_inline __u32 bytes_before(const struct __sk_buff* skb, __u32 ip_bytes) {
  return ip_bytes != 0 && ip_bytes < skb->len ? skb->len - ip_bytes : 0;
}

/* Link-layer headers differ from interface to interface, so all is read from the network header on. */
static __always_inline int read_ends(struct __sk_buff* skb, struct packet* packet) {
  if (skb->protocol == bpf_htons(ETH_P_IP)) {
    struct iphdr ip;
    if (bpf_skb_load_bytes_relative(skb, 0, &ip, sizeof(ip), BPF_HDR_START_NET)) {
      return 0;
    }
    packet->is_v6 = 0;
    packet->l3_offset = bytes_before(skb, bpf_ntohs(ip.tot_len));
    packet->tuple.protocol = ip.protocol;
    map_ipv4(packet->tuple.source_be, ip.saddr);
    map_ipv4(packet->tuple.destination_be, ip.daddr);
    return 1;
  }
  struct ipv6hdr ip;
  if (skb->protocol != bpf_htons(ETH_P_IPV6) ||
      bpf_skb_load_bytes_relative(skb, 0, &ip, sizeof(ip), BPF_HDR_START_NET)) {
    return 0;
  }
  packet->is_v6 = 1;
  packet->l3_offset = ip.payload_len ? bytes_before(skb, sizeof(ip) + bpf_ntohs(ip.payload_len)) : 0;
  packet->tuple.protocol = ip.nexthdr;
  store_address(packet->tuple.source_be, ip.saddr.in6_u.u6_addr32);
  store_address(packet->tuple.destination_be, ip.daddr.in6_u.u6_addr32);
  return 1;
}

/* Whether a packet with this source may come in on another interface than the tunnel. */
static __always_inline int may_come_in(struct __sk_buff* skb, struct scratch* scratch) {
  const struct identity* source = &scratch->source;
  const __u32 behind = source->owner & KRAIT_ENTRY_ROUTED;
  if (source->owner & KRAIT_ENTRY_LOCAL) {
    return behind || skb->ifindex == LOOPBACK_INTERFACE;
  }
  /* A default route through the tunnel says nothing about where others are. */
  if (behind && KRAIT_ENTRY_LENGTH(source->owner) == (scratch->packet.is_v6 ? 0 : 96)) {
    return 1;
  }
  const struct krait_way* way = behind ? find_way(scratch, source, scratch->packet.tuple.source_be) : 0;
  return way && leads_through(way, skb->ifindex);
}

static __noinline int refuse_outsider(struct __sk_buff* skb, const struct view* view, struct scratch* scratch) {
  struct packet* packet = &scratch->packet;
  scratch->judgement.source_tag = scratch->source.tag;
  scratch->judgement.destination_tag =
      find_identity(view, packet->tuple.destination_be, packet->is_v6, &scratch->destination) ? scratch->destination.tag
                                                                                              : 0;
  scratch->judgement.reason = KRAIT_REASON_OUTSIDE_TUNNEL;
  count_packet(skb, packet->l3_offset, KRAIT_INGRESS, scratch);
  report(skb, KRAIT_INGRESS, scratch);
  return 0;
}

static __always_inline int fence(struct __sk_buff* skb) {
  const __u32 zero = 0;
  struct view view = {};
  struct scratch* scratch = bpf_map_lookup_elem(&krait_scratch, &zero);
  if (!scratch || open_view(&view) != KRAIT_ALLOWED || !read_ends(skb, &scratch->packet)) {
    return TC_ACT_UNSPEC;
  }
  if (!find_identity(&view, scratch->packet.tuple.source_be, scratch->packet.is_v6, &scratch->source) ||
      may_come_in(skb, scratch)) {
    return TC_ACT_UNSPEC;
  }
  scratch->packet.tuple.source_port_be = 0;
  scratch->packet.tuple.destination_port_be = 0;
  scratch->packet.icmp_type = 0;
  scratch->cell = 0;
  refuse_outsider(skb, &view, scratch);
  return TC_ACT_SHOT;
}
