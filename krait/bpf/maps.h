/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The maps, and what user space sets before it loads the program. */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "krait/abi/maps.h"
#include "krait/abi/snapshot.h"

/* Ticks of bpf_jiffies64() a second: the resolution of CLOCK_MONOTONIC_COARSE is one tick. */
volatile const __u32 krait_hz = 250;
/* Buckets of krait_pairs, a power of two, less one. */
volatile const __u32 krait_pair_mask = 1023;
/* Buckets of krait_flows, a power of two, less one. */
volatile const __u32 krait_flow_mask = 16383;
/* What the flow hash is keyed with: as the table's head says. */
volatile const struct krait_flow_seeds krait_flow_seeds = {};
/* What a packet that reject() sends back is known by; 0: none. A random number. */
volatile const __u32 krait_reject_mark = 0;
/* For PacketRunner: write krait_trace, and take the time from krait_control. The verifier removes both otherwise. */
volatile const __u8 krait_tracing = 0;
volatile const __u8 krait_test_clock = 0;
/* Whether there is a host whose routes can be asked. */
volatile const __u8 krait_asks_routes = 1;

struct krait_page {
  __u8 bytes[KRAIT_PAGE_BYTES];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1 + KRAIT_BUFFERS); /* user space sets the size that the policy needs */
  __type(key, __u32);
  __type(value, struct krait_page);
} krait_snapshot SEC(".maps");

static __always_inline const struct krait_control* control_page(void) {
  const __u32 zero = 0;
  return bpf_map_lookup_elem(&krait_snapshot, &zero);
}

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1 + 16384);
  __type(key, __u32);
  __type(value, struct krait_flow_bucket);
} krait_flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 8192);
  __type(key, struct krait_fragment_key);
  __type(value, struct krait_fragment);
} krait_frags SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, KRAIT_WAYS);
  __type(key, struct krait_way_key);
  __type(value, struct krait_way);
} krait_ways SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, struct krait_pair_bucket);
} krait_pairs SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, KRAIT_REASON_COUNT);
  __type(key, __u32);
  __type(value, struct krait_drop_count);
} krait_drops SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1024); /* user space sets what the policy needs */
  __type(key, __u32);
  __type(value, struct krait_count);
} krait_rules SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, KRAIT_EVENTS_BYTES);
} krait_events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, KRAIT_REASON_COUNT);
  __type(key, __u32);
  __type(value, struct krait_event_rate);
} krait_event_rates SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct krait_trace);
} krait_trace SEC(".maps");
