/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A packet's working memory. It lies in a map and not on the stack for two reasons: 512 bytes of stack are too few, and
 * of map memory the verifier remembers no values, so that the many ways through the parser go on as one state instead
 * of each on its own (more than a million instructions otherwise).
 *
 * TC programs run with bottom halves disabled: no other one runs on this CPU in between.
 */
#pragma once

#include "krait/bpf/maps.h"
#include "krait/bpf/packet.h"

struct identity {
  __u32 address_be[4] __attribute__((aligned(8)));
  __u32 masked_be[4] __attribute__((aligned(8))); /* scratch of the prefix search */
  __u32 slot;
  __u32 flags; /* of the entry that was found */
  __u32 tag;   /* 0: unknown */
  __u16 source_class;
  __u16 destination_class;
};

struct scratch {
  struct packet packet;
  struct packet quoted; /* by an ICMP error */
  struct identity source;
  struct identity destination;
  struct identity quoted_destination;
  struct krait_flow_key flow_key;
  struct krait_fragment_key fragment_key;
  struct krait_trace judgement;
  __u32 cell; /* that decided */
  __u32 reserved;
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct scratch);
} krait_scratch SEC(".maps");
