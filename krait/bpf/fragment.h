/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Later fragments, which name no ports: what their first fragment said. docs/flows.md, "Fragments". */
#pragma once

#include "krait/bpf/flow.h"
#include "krait/bpf/parse.h"

static __always_inline void make_fragment_key(struct scratch* scratch) {
  struct krait_fragment_key* key = &scratch->fragment_key;
  copy_address(key->source_be, scratch->packet.tuple.source_be);
  copy_address(key->destination_be, scratch->packet.tuple.destination_be);
  key->id_be = scratch->packet.fragment_id_be;
  key->protocol = scratch->packet.is_v6 ? 0 : scratch->packet.tuple.protocol;
}

static __noinline int remember_fragment(struct scratch* scratch) {
  const struct packet* packet = &scratch->packet;
  const struct krait_fragment seen = {
      .seen_jiffies = now_jiffies(),
      .source_port_be = packet->tuple.source_port_be,
      .destination_port_be = packet->tuple.destination_port_be,
      .protocol = (__u8)packet->tuple.protocol,
      .icmp_type = packet->icmp_type,
  };
  make_fragment_key(scratch);
  bpf_map_update_elem(&krait_frags, &scratch->fragment_key, &seen, BPF_ANY);
  return 0;
}

/* Gives a later fragment what its first fragment said. */
static __noinline int recall_fragment(struct scratch* scratch) {
  struct packet* packet = &scratch->packet;
  make_fragment_key(scratch);
  const struct krait_fragment* first = bpf_map_lookup_elem(&krait_frags, &scratch->fragment_key);
  if (!first || silence(now_jiffies(), first->seen_jiffies) > KRAIT_FRAGMENT_S * krait_hz) {
    return KRAIT_REASON_FRAGMENT_UNKNOWN;
  }
  /* An IPv6 one may call itself something else: reassembly goes by what the first says (RFC 8200 4.5). */
  if (first->protocol == IPPROTO_TCP && packet->fragment_offset == 8) {
    return KRAIT_REASON_FRAGMENT_OVERLAP;
  }
  packet->tuple.protocol = first->protocol;
  packet->tcp_flags = TCP_ACK; /* anything but a SYN: the flags were in the first fragment */
  if (has_ports(first->protocol)) {
    classify_ports(packet, first->source_port_be, first->destination_port_be);
  } else if (is_own_icmp(packet)) {
    classify_icmp(packet, first->icmp_type, first->source_port_be);
    packet->is_icmp_error = 0; /* what it quotes was in the first fragment */
  } else {
    classify_protocol(packet);
  }
  return KRAIT_ALLOWED;
}
