/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The TC programs: one verdict per packet, by identity.
 *
 *   headers -> fragment -> multicast, broadcast -> identities -> spoofing -> route -> policy and flow -> count ->
 *   pass or drop
 *
 * Six functions, each called by the one before: handle_packet (what becomes of it, and who is told), check_packet (is
 * there anything but the policy against it?), decide_packet, decide_flow or decide_icmp_error (does policy or an open
 * conversation let it through?), lookup_cell (what does the policy say?), resolve_timed_cell (what does it say now?).
 *
 * krait_ingress and krait_egress guard layer-3 devices (WireGuard, TUN), where a packet begins with its IP header. The
 * two _eth programs are the same code behind 14 bytes of Ethernet: BPF_PROG_TEST_RUN always presents those, and
 * mostly without a host whose routes could be asked (krait_asks_routes). krait_fence stands on the host's other
 * interfaces, at ingress, whatever their packets begin with.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "krait/bpf/count.h"
#include "krait/bpf/decide.h"
#include "krait/bpf/fence.h"
#include "krait/bpf/fragment.h"
#include "krait/bpf/maps.h"
#include "krait/bpf/mss.h"
#include "krait/bpf/reject.h"
#include "krait/bpf/report.h"
#include "krait/bpf/route.h"
#include "krait/bpf/source_route.h"

static __always_inline int is_neighbour_discovery(const struct packet* packet) {
  return packet->is_v6 && packet->tuple.protocol == IPPROTO_ICMPV6 && packet->fragment != FRAGMENT_LATER &&
         packet->icmp_type >= 133 && packet->icmp_type <= 137; /* RFC 4861 */
}

static __always_inline int check_destination(const struct packet* packet) {
  const __u32* to_be = packet->tuple.destination_be;
  if (is_neighbour_discovery(packet)) {
    return KRAIT_REASON_NEIGHBOUR_DISCOVERY;
  }
  if (packet->is_v6) {
    return (to_be[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000) ? KRAIT_REASON_MULTICAST : KRAIT_ALLOWED;
  }
  if (to_be[3] == 0xffffffff) {
    return KRAIT_REASON_BROADCAST;
  }
  return (to_be[3] & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000) ? KRAIT_REASON_MULTICAST : KRAIT_ALLOWED;
}

/* A mapped address in an IPv6 header would pass for its IPv4 host (RFC 4942 2.2). */
static __always_inline int is_disguised(const struct packet* packet, const __u32* address_be) {
  return packet->is_v6 && address_be[0] == 0 && address_be[1] == 0 && address_be[2] == MAPPED_PREFIX_BE;
}

static __always_inline int find_source(struct __sk_buff* skb, const struct view* view, __u32 direction,
                                       struct scratch* scratch) {
  struct identity* source = &scratch->source;
  const struct packet* packet = &scratch->packet;
  const __u32* address_be = packet->tuple.source_be;
  if (is_disguised(packet, address_be) || !find_identity(view, address_be, packet->is_v6, source)) {
    return KRAIT_REASON_UNKNOWN_SOURCE;
  }
  scratch->judgement.source_tag = source->tag;
  const __u32 local = source->owner & KRAIT_ENTRY_LOCAL;
  if (direction == KRAIT_INGRESS) {
    return local ? KRAIT_REASON_SOURCE_IS_LOCAL : KRAIT_ALLOWED;
  }
  const __u32 came_in = skb->ingress_ifindex; /* 0: from a socket of this host */
  if (!local) {
    /* A packet that came in through this interface was judged there: this host relays it. */
    return came_in == skb->ifindex ? KRAIT_ALLOWED : KRAIT_REASON_SOURCE_NOT_LOCAL;
  }
  /* Of fragments that the kernel makes anew when it forwards, IPv6 forgets where they came in; those of this host's own
   * sockets still name theirs. */
  if (came_in == 0 && packet->has_fragment_header && !skb->sk) {
    return KRAIT_REASON_REVERSE_PATH;
  }
  /* What others sent never speaks as this host. IPv4 may be masqueraded: the kernel takes own sources from nobody, as
   * long as it looks (krait/wireguard/route_hints.h). */
  return came_in == 0 || (source->owner & KRAIT_ENTRY_ROUTED ? came_in != skb->ifindex : !packet->is_v6)
             ? KRAIT_ALLOWED
             : KRAIT_REASON_REVERSE_PATH;
}

static __always_inline int find_destination(const struct view* view, __u32 direction, struct scratch* scratch) {
  struct identity* destination = &scratch->destination;
  const struct packet* packet = &scratch->packet;
  const __u32* address_be = packet->tuple.destination_be;
  if (is_disguised(packet, address_be) || !find_identity(view, address_be, packet->is_v6, destination)) {
    return KRAIT_REASON_UNKNOWN_DESTINATION;
  }
  scratch->judgement.destination_tag = destination->tag;
  return direction == KRAIT_EGRESS && destination->owner & KRAIT_ENTRY_LOCAL ? KRAIT_REASON_DESTINATION_IS_LOCAL
                                                                             : KRAIT_ALLOWED;
}

/* The checks of a parsed packet that need no identity. */
static __always_inline int check_kind(struct scratch* scratch) {
  const int reason = check_destination(&scratch->packet);
  return reason == KRAIT_ALLOWED && scratch->packet.fragment == FRAGMENT_LATER ? recall_fragment(scratch) : reason;
}

/* In the scratch map, of whose values the verifier remembers nothing: else it follows each refusal on its own. */
static __always_inline void refuse(struct scratch* scratch, int reason) {
  if (scratch->judgement.reason == KRAIT_ALLOWED) {
    *(volatile __u32*)&scratch->judgement.reason = (__u32)reason;
  }
}

static __always_inline int check_packet(struct __sk_buff* skb, __u32 l3_offset, __u32 direction,
                                        struct scratch* scratch) {
  struct view view = {};
  int reason = open_view(&view);
  if (reason == KRAIT_ALLOWED) {
    reason = parse(skb, &scratch->packet, l3_offset);
  }
  if (reason == KRAIT_ALLOWED && has_ipv4_options(&scratch->packet)) {
    reason = check_ipv4_options(skb);
  }
  if (reason != KRAIT_ALLOWED) {
    return reason;
  }
  /* Both ends are looked up whatever the rest says: counters and traces name them. The first refusal is the reason. */
  *(volatile __u32*)&scratch->judgement.reason = (__u32)check_kind(scratch);
  refuse(scratch, find_source(skb, &view, direction, scratch));
  refuse(scratch, find_destination(&view, direction, scratch));
  if (scratch->judgement.reason != KRAIT_ALLOWED) {
    return (int)scratch->judgement.reason;
  }
  if (krait_asks_routes && !is_between_hosts(scratch, direction)) {
    refuse(scratch, check_route(skb, &view, direction, scratch));
    if (scratch->judgement.reason != KRAIT_ALLOWED) {
      return (int)scratch->judgement.reason;
    }
  }
  reason = decide_packet(skb, &view, scratch);
  if (reason == KRAIT_ALLOWED && scratch->packet.fragment == FRAGMENT_FIRST) {
    remember_fragment(scratch);
  }
  return reason;
}

static __always_inline int handle_packet(struct __sk_buff* skb, __u32 l3_offset, __u32 direction) {
  const __u32 zero = 0;
  struct scratch* scratch = bpf_map_lookup_elem(&krait_scratch, &zero);
  if (!scratch) {
    return TC_ACT_SHOT;
  }
  if (is_own_answer(skb, direction)) {
    return TC_ACT_OK;
  }
  __builtin_memset(&scratch->packet, 0, sizeof(scratch->packet));
  __builtin_memset(&scratch->judgement, 0, sizeof(scratch->judgement));
  scratch->cell = 0;
  scratch->opened = 0;
  scratch->judgement.reason = (__u32)check_packet(skb, l3_offset, direction, scratch);
  /* Read back, for the verifier's sake: it follows each known reason on its own. */
  const __u32 reason = *(volatile __u32*)&scratch->judgement.reason;
  count_packet(skb, l3_offset, direction, scratch);
  if (krait_tracing) {
    struct krait_trace* trace = bpf_map_lookup_elem(&krait_trace, &zero);
    if (trace) {
      *trace = scratch->judgement;
      trace->rule = scratch->cell & KRAIT_CELL_RULE;
    }
  }
  const __u32 cell = scratch->cell;
  if (reason != KRAIT_ALLOWED || (cell & KRAIT_CELL_LOG && scratch->opened)) {
    report(skb, direction, scratch);
  }
  if (reason == KRAIT_ALLOWED) {
    if (is_clamped(skb, direction, &scratch->packet)) {
      clamp_mss(skb);
    }
    return TC_ACT_OK;
  }
  return direction == KRAIT_EGRESS && cell & KRAIT_CELL_REJECT ? reject(skb, l3_offset, scratch) : TC_ACT_SHOT;
}

SEC("tc")
int krait_ingress(struct __sk_buff* skb) { return handle_packet(skb, 0, KRAIT_INGRESS); }

SEC("tc")
int krait_egress(struct __sk_buff* skb) { return handle_packet(skb, 0, KRAIT_EGRESS); }

SEC("tc")
int krait_in_eth(struct __sk_buff* skb) { return handle_packet(skb, ETH_HLEN, KRAIT_INGRESS); }

SEC("tc")
int krait_out_eth(struct __sk_buff* skb) { return handle_packet(skb, ETH_HLEN, KRAIT_EGRESS); }

SEC("tc")
int krait_fence(struct __sk_buff* skb) { return fence(skb); }

SEC("tc")
int krait_port(struct __sk_buff* skb) { return fence_port(skb); }

char krait_license[] SEC("license") = "Dual BSD/GPL";
