/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who initiated: the flow table. docs/flows.md has the state table. */
#pragma once

#include "krait/bpf/scratch.h"

static __always_inline __u64 now_jiffies(void) {
  if (krait_test_clock) {
    const struct krait_control* control = control_page();
    return control ? control->test_now_jiffies : 0;
  }
  return bpf_jiffies64();
}

static __always_inline int source_is_b(const struct tuple* tuple) {
  for (int i = 0; i < 4; i++) {
    if (tuple->source_be[i] != tuple->destination_be[i]) {
      return tuple->source_be[i] > tuple->destination_be[i];
    }
  }
  return tuple->source_port_be > tuple->destination_port_be;
}

/* Fills in the key; says which end the packet's source is: 0 or KRAIT_FLOW_FROM_B. */
static __noinline __u32 make_flow_key(const struct packet* packet, struct krait_flow_key* key) {
  const struct tuple* tuple = &packet->tuple;
  const int is_icmp_pair = packet->makes_flow != packet->can_be_reply;
  const __u32 from_b = is_icmp_pair ? packet->can_be_reply : (__u32)source_is_b(tuple);
  copy_address(key->a_be, from_b ? tuple->destination_be : tuple->source_be);
  copy_address(key->b_be, from_b ? tuple->source_be : tuple->destination_be);
  const int swap = from_b && !is_icmp_pair;
  key->port_a_be = swap ? tuple->destination_port_be : tuple->source_port_be;
  key->port_b_be = swap ? tuple->source_port_be : tuple->destination_port_be;
  key->protocol = tuple->protocol;
  return from_b ? KRAIT_FLOW_FROM_B : 0;
}

static __always_inline __u64 silence_s(__u32 protocol, __u32 flags) {
  if (protocol == IPPROTO_TCP) {
    if (flags & KRAIT_FLOW_RESET) {
      return KRAIT_TCP_RESET_S;
    }
    if ((flags & (KRAIT_FLOW_FIN_A | KRAIT_FLOW_FIN_B)) == (KRAIT_FLOW_FIN_A | KRAIT_FLOW_FIN_B)) {
      return KRAIT_TCP_CLOSING_S;
    }
    return flags & KRAIT_FLOW_OPENING ? KRAIT_TCP_OPENING_S : KRAIT_TCP_ESTABLISHED_S;
  }
  if (protocol == IPPROTO_UDP) {
    return KRAIT_UDP_S;
  }
  return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6 ? KRAIT_ICMP_S : KRAIT_OTHER_S;
}

static __always_inline int is_live(const struct krait_flow* flow, __u32 protocol, __u64 now) {
  return now - flow->seen_jiffies <= silence_s(protocol, flow->flags) * krait_hz;
}

/* What a packet that passes does to its flow's state. `from` is make_flow_key's answer. */
static __always_inline __u32 flags_after(__u32 flags, const struct packet* packet, __u32 from) {
  if (packet->tuple.protocol != IPPROTO_TCP) {
    return flags;
  }
  if (packet->tcp_flags & TCP_RST) {
    return flags | KRAIT_FLOW_RESET;
  }
  if (packet->tcp_flags & TCP_FIN) {
    flags |= from ? KRAIT_FLOW_FIN_B : KRAIT_FLOW_FIN_A;
  }
  if (!is_opening_syn(packet)) {
    flags &= ~KRAIT_FLOW_OPENING;
  }
  /* A connection that its initiator still uses was not reset. */
  return (flags & KRAIT_FLOW_FROM_B) == from ? flags & ~KRAIT_FLOW_RESET : flags;
}

/* Writes only what changed: a busy flow's cache line stays shared between CPUs. */
static __always_inline void refresh_flow(struct krait_flow* flow, const struct packet* packet, __u32 from, __u64 now) {
  const __u32 flags = flags_after(flow->flags, packet, from);
  if (flags != flow->flags) {
    flow->flags = flags;
    flow->seen_jiffies = now;
  } else if (now - flow->seen_jiffies > krait_hz) {
    flow->seen_jiffies = now;
  }
}

/*
 * Makes the packet's source the initiator. A table that has no room fails here: the packet passes all the same, its
 * replies do not until the initiator's next packet.
 */
static __always_inline void open_flow(struct krait_flow* flow, const struct scratch* scratch, __u32 from, __u64 now) {
  const struct packet* packet = &scratch->packet;
  const struct krait_flow fresh = {
      .seen_jiffies = now,
      .flags = from | (packet->tuple.protocol == IPPROTO_TCP && is_opening_syn(packet) ? KRAIT_FLOW_OPENING : 0),
  };
  if (flow) {
    flow->flags = fresh.flags;
    flow->seen_jiffies = now;
  } else {
    bpf_map_update_elem(&krait_flows, &scratch->flow_key, &fresh, BPF_ANY);
  }
}
