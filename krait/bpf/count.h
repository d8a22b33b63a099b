/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counters. Each CPU writes only its own copies, so nothing is atomic. */
#pragma once

#include "krait/bpf/maps.h"
#include "krait/bpf/scratch.h"

static __always_inline void add(struct krait_count* count, __u64 packets, __u64 bytes) {
  count->packets += packets;
  count->bytes += bytes;
}

/* The pair's slot in this bucket, or a free one, or none. */
static __always_inline struct krait_pair_slot* slot_in(struct krait_pair_bucket* bucket, __u32 source,
                                                       __u32 destination) {
  for (int i = 0; i < (int)KRAIT_PAIR_SLOTS; i++) {
    struct krait_pair_slot* slot = &bucket->slots[i];
    if (!slot->used) {
      slot->source_tag = source;
      slot->destination_tag = destination;
      slot->used = 1;
      return slot;
    }
    if (slot->source_tag == source && slot->destination_tag == destination) {
      return slot;
    }
  }
  return 0;
}

static __always_inline struct krait_pair_slot* find_pair(__u32 source, __u32 destination) {
  __u32 hash = source * 0x9e3779b1U ^ destination * 0x85ebca6bU;
  hash ^= hash >> 15;
  __u32 index = (hash & krait_pair_mask) ?: 1;
  struct krait_pair_bucket* bucket = bpf_map_lookup_elem(&krait_pairs, &index);
  struct krait_pair_slot* slot = bucket ? slot_in(bucket, source, destination) : 0;
  if (slot) {
    return slot;
  }
  index = ((hash >> 16 ^ hash * 0xc2b2ae35U) & krait_pair_mask) ?: 1;
  bucket = bpf_map_lookup_elem(&krait_pairs, &index);
  slot = bucket ? slot_in(bucket, source, destination) : 0;
  if (slot) {
    return slot;
  }
  index = 0;
  bucket = bpf_map_lookup_elem(&krait_pairs, &index);
  return bucket ? &bucket->slots[0] : 0;
}

/* An expired rule decides nothing any more: what it would have allowed is not counted for it. */
static __always_inline void count_rule(__u32 cell, __u64 packets, __u64 bytes) {
  const __u32 rule = (cell & KRAIT_CELL_RULE) - 1;
  struct krait_count* count = cell & KRAIT_CELL_EXPIRED ? 0 : bpf_map_lookup_elem(&krait_rules, &rule);
  if (count) {
    add(count, packets, bytes);
  }
}

static __always_inline int count_packet(struct __sk_buff* skb, __u32 l3_offset, __u32 direction,
                                        const struct scratch* scratch) {
  const struct krait_trace* judgement = &scratch->judgement;
  const __u64 packets = skb->gso_segs > 1 ? skb->gso_segs : 1;
  const __u64 bytes = skb->len - l3_offset;
  const __u32 reason = judgement->reason;
  const __u32 verdict = reason == KRAIT_ALLOWED ? KRAIT_ALLOW : KRAIT_DROP;
  const __u32 way = direction & 1;
  struct krait_pair_slot* slot = find_pair(judgement->source_tag, judgement->destination_tag);
  if (slot) {
    add(&slot->count[way][verdict], packets, bytes);
  }
  count_rule(scratch->cell, packets, bytes);
  if (reason != KRAIT_ALLOWED) {
    struct krait_drop_count* drop = bpf_map_lookup_elem(&krait_drops, &reason);
    if (drop) {
      add(&drop->by_direction[way], packets, bytes);
    }
  }
  return 0;
}
