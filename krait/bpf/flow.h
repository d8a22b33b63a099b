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

/* Whether a is above b, both two words in the order of memory. */
static __always_inline int is_above(__u64 a, __u64 b) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  if ((__u32)a != (__u32)b) {
    return (__u32)a > (__u32)b;
  }
#endif
  return a > b;
}

static __always_inline int source_is_b(const struct tuple* tuple) {
  const __u64* source = (const __u64*)tuple->source_be;
  const __u64* destination = (const __u64*)tuple->destination_be;
  if (source[0] != destination[0]) {
    return is_above(source[0], destination[0]);
  }
  if (source[1] != destination[1]) {
    return is_above(source[1], destination[1]);
  }
  return tuple->source_port_be > tuple->destination_port_be;
}

/* One of two neighbours of `bytes` each, without a branch: the other one when `second` is set. */
static __always_inline const void* either(const void* first, __u32 second, __u32 bytes) {
  OPAQUE(second);
  return (const __u8*)first + (second & 1) * bytes;
}

/* Fills in the key and which end the packet's source is. */
static __always_inline void make_flow_key(const struct packet* packet, struct flow_place* place) {
  const struct tuple* tuple = &packet->tuple;
  struct krait_flow_key* key = &place->key;
  const int is_icmp_pair = packet->makes_flow != packet->can_be_reply;
  const __u32 from_b = is_icmp_pair ? packet->can_be_reply : (__u32)source_is_b(tuple);
  copy_address(key->a_be, either(tuple->source_be, from_b, sizeof(tuple->source_be)));
  copy_address(key->b_be, either(tuple->source_be, from_b ^ 1, sizeof(tuple->source_be)));
  const __u32 swap = is_icmp_pair ? 0 : from_b;
  const __u16 port_a_be = *(const __u16*)either(&tuple->source_port_be, swap, sizeof(tuple->source_port_be));
  const __u16 port_b_be = *(const __u16*)either(&tuple->source_port_be, swap ^ 1, sizeof(tuple->source_port_be));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  store_words((__u32*)&key->port_a_be, (__u32)port_b_be << 16 | port_a_be, tuple->protocol);
#else
  store_words((__u32*)&key->port_a_be, (__u32)port_a_be << 16 | port_b_be, tuple->protocol);
#endif
  place->from_b = from_b;
}

static __always_inline int same_key(const struct krait_flow_key* a, const struct krait_flow_key* b) {
  const __u64* x = (const __u64*)a;
  const __u64* y = (const __u64*)b;
  return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4])) == 0;
}

static __always_inline struct krait_flow_bucket* flow_bucket(const struct flow_place* place) {
  const __u32 index = place->bucket;
  return bpf_map_lookup_elem(&krait_flows, &index);
}

static __always_inline struct krait_flow* flow_in(struct krait_flow_bucket* bucket, __u32 way) {
  OPAQUE(way);
  return &bucket->flows[way & (KRAIT_FLOW_WAYS - 1)];
}

/* Whether the flow in this way is the packet's. */
static __always_inline struct krait_flow* flow_of_key(struct krait_flow_bucket* bucket,
                                                      const struct flow_place* place) {
  struct krait_flow* flow = flow_in(bucket, *(volatile __u32*)&place->way);
  return same_key(&flow->key, &place->key) ? flow : 0;
}

static __always_inline int note_way(struct flow_place* place, __u64 mark, __u32 way) {
  if ((mark & ~KRAIT_MARK_FROM_B) != place->mark) {
    return 0;
  }
  place->way = way;
  place->initiator_is_b = (mark & KRAIT_MARK_FROM_B) != 0;
  return 1;
}

/* Goes on where a mark fits and the key does not. The way stands in `place`, of which the verifier knows nothing. */
static __noinline struct krait_flow* find_beyond(struct krait_flow_bucket* bucket, struct flow_place* place) {
  for (__u32 tried = 1; tried < KRAIT_FLOW_WAYS; tried++) {
    const __u32 way = *(volatile __u32*)&place->way + 1;
    if (way >= KRAIT_FLOW_WAYS) {
      return 0;
    }
    *(volatile __u32*)&place->way = way;
    if (note_way(place, bucket->marks[way], way)) {
      struct krait_flow* flow = flow_of_key(bucket, place);
      if (flow) {
        return flow;
      }
    }
  }
  return 0;
}

static __always_inline int find_mark(const struct krait_flow_bucket* bucket, struct flow_place* place) {
#pragma clang loop unroll(full)
  for (__u32 way = 0; way < KRAIT_FLOW_WAYS; way++) {
    if (note_way(place, bucket->marks[way], way)) {
      return 1;
    }
  }
  return 0;
}

/* The packet's flow, or none. Fills in `place` either way. */
static __always_inline struct krait_flow* find_flow(const struct packet* packet, struct flow_place* place) {
  make_flow_key(packet, place);
  const __u64 hash = krait_flow_hash(&place->key, &krait_flow_seeds);
  place->mark = KRAIT_FLOW_MARK(hash);
  place->bucket = KRAIT_FLOW_BUCKET(hash, krait_flow_mask);
  struct krait_flow_bucket* bucket = flow_bucket(place);
  if (!bucket) {
    return 0;
  }
  if (!find_mark(bucket, place)) {
    return 0;
  }
  return flow_of_key(bucket, place) ?: find_beyond(bucket, place);
}

static __always_inline int is_closing(__u32 flags) {
  return (flags & (KRAIT_FLOW_FIN_A | KRAIT_FLOW_FIN_B)) == (KRAIT_FLOW_FIN_A | KRAIT_FLOW_FIN_B);
}

static __always_inline __u64 max_silence_s(__u32 protocol, __u32 flags) {
  if (protocol == IPPROTO_TCP) {
    if (flags & KRAIT_FLOW_RESET) {
      return KRAIT_TCP_RESET_S;
    }
    if (is_closing(flags)) {
      return KRAIT_TCP_CLOSING_S;
    }
    return flags & KRAIT_FLOW_OPENING ? KRAIT_TCP_OPENING_S : KRAIT_TCP_ESTABLISHED_S;
  }
  if (protocol == IPPROTO_UDP) {
    return KRAIT_UDP_S;
  }
  return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6 ? KRAIT_ICMP_S : KRAIT_OTHER_S;
}

/* Another CPU may have noted a later jiffy than this one has read. */
static __always_inline __u64 silence(__u64 now, __u64 seen) { return (__s64)(now - seen) < 0 ? 0 : now - seen; }

static __always_inline int is_live(const struct krait_flow* flow, __u32 protocol, __u64 now) {
  return silence(now, flow->seen_jiffies) <= max_silence_s(protocol, flow->flags) * krait_hz;
}

static __always_inline int is_from_initiator(const struct flow_place* place) {
  return place->initiator_is_b == place->from_b;
}

/* What a packet that passes does to its flow's state. */
static __always_inline __u32 flags_after(__u32 flags, const struct packet* packet, const struct flow_place* place) {
  if (packet->tuple.protocol != IPPROTO_TCP) {
    return flags;
  }
  if (packet->tcp_flags & TCP_RST) {
    return (flags & ~KRAIT_FLOW_OPENING) | KRAIT_FLOW_RESET;
  }
  if (packet->tcp_flags & TCP_FIN) {
    flags |= place->from_b ? KRAIT_FLOW_FIN_B : KRAIT_FLOW_FIN_A;
  }
  if (!is_opening_syn(packet) || packet->tcp_flags & TCP_FIN) {
    flags &= ~KRAIT_FLOW_OPENING;
  }
  /* A connection that its initiator still uses was not reset. */
  return is_from_initiator(place) ? flags & ~KRAIT_FLOW_RESET : flags;
}

/* What was never answered, or is over, only its initiator keeps: else the other end could keep a way in for ever. */
static __always_inline int keeps_alive(__u32 flags, const struct packet* packet, const struct flow_place* place) {
  if (packet->tcp_flags & TCP_RST) {
    return 0; /* else whoever draws resets would keep a flow that is over */
  }
  return is_from_initiator(place) || !(flags & (KRAIT_FLOW_OPENING | KRAIT_FLOW_RESET) || is_closing(flags));
}

/* Writes only what changed: a busy flow's cache line stays shared between CPUs. */
static __always_inline void refresh_flow(struct krait_flow* flow, const struct scratch* scratch, __u64 now) {
  const __u32 flags = flags_after(flow->flags, &scratch->packet, &scratch->flow);
  if (flags != flow->flags) {
    flow->flags = flags;
    flow->seen_jiffies = now;
  } else if (silence(now, flow->seen_jiffies) > krait_hz && keeps_alive(flags, &scratch->packet, &scratch->flow)) {
    flow->seen_jiffies = now;
  }
}

/* A way for a new flow: a free or expired one, else as KRAIT_PAIR_WAYS says. What it compares lies in the scratch map.
 */
static __noinline __u32 choose_way(const struct krait_flow_bucket* bucket, struct victim* victim, __u32 pair,
                                   __u64 now) {
  victim->oldest_own = 0;
  victim->oldest_any = 0;
  victim->own = 0;
  victim->own_way = 0;
  victim->any_way = 0;
/* Unrolled: the verifier compares states with older ones of the same instruction, and of a loop it throws those away
 * that did not match for some rounds. */
#pragma clang loop unroll(full)
  for (__u32 way = 0; way < KRAIT_FLOW_WAYS; way++) {
    const struct krait_flow* flow = &bucket->flows[way];
    const __u64 age = silence(now, flow->seen_jiffies);
    if (bucket->marks[way] == 0 || !is_live(flow, flow->key.protocol, now)) {
      return way;
    }
    if (flow->pair == pair) {
      victim->own++;
      if (age >= victim->oldest_own) {
        victim->oldest_own = age;
        victim->own_way = way;
      }
    }
    if (age >= victim->oldest_any) {
      victim->oldest_any = age;
      victim->any_way = way;
    }
  }
  return victim->own >= KRAIT_PAIR_WAYS ? victim->own_way : victim->any_way;
}

/* Makes the packet's source the initiator, in the place of `flow` or in a new one. */
static __noinline int open_flow(struct krait_flow* flow, struct scratch* scratch, __u64 now) {
  const struct packet* packet = &scratch->packet;
  struct flow_place* place = &scratch->flow;
  struct krait_flow_bucket* bucket = flow_bucket(place);
  if (!bucket) {
    return 0;
  }
  const __u32 pair = scratch->source.tag * 0x9e3779b1U + scratch->destination.tag;
  if (!flow) {
    place->way = choose_way(bucket, &scratch->victim, pair, now);
  }
  __u64 way = *(volatile __u32*)&place->way;
  way &= KRAIT_FLOW_WAYS - 1;
  flow = flow_in(bucket, (__u32)way);
  volatile __u64* mark = &bucket->marks[way];
  if (!same_key(&flow->key, &place->key)) {
    *mark = 0;
    flow->key = place->key;
  }
  flow->pair = pair;
  flow->seen_jiffies = now;
  flow->flags = packet->tuple.protocol == IPPROTO_TCP && is_opening_syn(packet) ? KRAIT_FLOW_OPENING : 0;
  *mark = place->mark | (place->from_b ? KRAIT_MARK_FROM_B : 0);
  scratch->opened = 1;
  return 0;
}
