/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Transport headers: ports, ICMP types, and the selector that follows from them. */
#pragma once

#include "krait/bpf/packet.h"

static __always_inline int too_short(const struct packet* packet) {
  return packet->fragment == FRAGMENT_FIRST ? KRAIT_REASON_FRAGMENT_SHORT : KRAIT_REASON_TRUNCATED;
}

/* The request type that a reply type answers, or -1. RFC 792, RFC 950, RFC 4443, RFC 4620. */
static __always_inline int request_of_reply(__u8 is_v6, __u8 type) {
  if (is_v6) {
    return type == 129 || type == 140 ? type - 1 : -1;
  }
  return type == 0 ? 8 : type == 14 || type == 16 || type == 18 ? type - 1 : -1;
}

static __always_inline int is_icmp_query(__u8 is_v6, __u8 type) {
  if (is_v6) {
    return type == 128 || type == 139;
  }
  return type == 8 || type == 13 || type == 15 || type == 17;
}

static __always_inline int is_icmp_error(__u8 is_v6, __u8 type) {
  if (is_v6) {
    return type < 128; /* unknown ones too: RFC 4443 2.1, 2.4 (a) */
  }
  return type == 3 || type == 11 || type == 12;
}

/* Fills in what follows from the ICMP type and the identifier. */
static __always_inline void classify_icmp(struct packet* packet, __u8 type, __u16 id_be) {
  const __u8 is_v6 = packet->is_v6;
  const __u32 base = is_v6 ? KRAIT_SELECTOR_ICMPV6 : KRAIT_SELECTOR_ICMP;
  const int request = request_of_reply(is_v6, type);
  packet->icmp_type = type;
  packet->selector = base + type;
  packet->makes_flow = (__u8)is_icmp_query(is_v6, type);
  packet->can_be_reply = request >= 0;
  packet->is_icmp_error = (__u8)is_icmp_error(is_v6, type);
  packet->tuple.source_port_be = id_be;
  packet->tuple.destination_port_be = (__u16)(request >= 0 ? request : type);
  packet->reply_selector = base + packet->tuple.destination_port_be;
}

static __always_inline __u32 selector_base(__u32 protocol) {
  return protocol == IPPROTO_TCP   ? KRAIT_SELECTOR_TCP
         : protocol == IPPROTO_UDP ? KRAIT_SELECTOR_UDP
                                   : KRAIT_SELECTOR_SCTP;
}

static __always_inline void classify_ports(struct packet* packet, __u16 source_be, __u16 destination_be) {
  const __u32 base = selector_base(packet->tuple.protocol);
  packet->tuple.source_port_be = source_be;
  packet->tuple.destination_port_be = destination_be;
  packet->selector = base + bpf_ntohs(destination_be);
  packet->reply_selector = base + bpf_ntohs(source_be);
  packet->makes_flow = 1;
  packet->can_be_reply = 1;
}

/* Protocols without ports or types. */
static __always_inline void classify_protocol(struct packet* packet) {
  packet->selector = KRAIT_SELECTOR_PROTO + (packet->tuple.protocol & 0xff);
  packet->reply_selector = packet->selector;
  packet->makes_flow = 1;
  packet->can_be_reply = 1;
}

static __always_inline int has_ports(__u32 protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

static __always_inline int is_own_icmp(const struct packet* packet) {
  return packet->tuple.protocol == (packet->is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

/* `head` holds the first bytes of the transport header, as many as the protocol needs. */
static __always_inline int check_l4(struct packet* packet, const __u8* head, __u32 is_gso) {
  const __u32 protocol = packet->tuple.protocol;
  const __u32 l4_bytes = packet->l4_bytes;
  if (protocol == IPPROTO_TCP) {
    const __u32 header_bytes = (head[12] >> 4) * 4U;
    if (header_bytes < 20) {
      return KRAIT_REASON_MALFORMED;
    }
    if (header_bytes > l4_bytes) {
      return packet->fragment == FRAGMENT_FIRST ? KRAIT_REASON_FRAGMENT_SHORT : KRAIT_REASON_MALFORMED;
    }
    packet->tcp_flags = head[13];
  }
  if (protocol == IPPROTO_UDP) {
    const __u32 length = (__u32)head[4] << 8 | head[5];
    if (length < 8 || (length > l4_bytes && packet->fragment == FRAGMENT_NONE && !is_gso)) {
      return KRAIT_REASON_MALFORMED;
    }
  }
  return KRAIT_ALLOWED;
}

/* How much of the header has to be there; 0 where nothing is looked at. */
static __always_inline __u32 l4_header_bytes(const struct packet* packet) {
  switch (packet->tuple.protocol) {
    case IPPROTO_TCP:
      return 20;
    case IPPROTO_SCTP:
      return 12;
    case IPPROTO_UDP:
      return 8;
    default:
      return is_own_icmp(packet) ? 8 : 0;
  }
}

/* `fixed_offset`: the transport header's place where it is a constant (no options, no extension headers), else 0. */
static __always_inline int parse_l4(struct __sk_buff* skb, struct packet* packet, __u32 fixed_offset) {
  __u8 head[20] = {};
  const __u32 needed = l4_header_bytes(packet);
  if (needed == 0) {
    classify_protocol(packet);
    return KRAIT_ALLOWED;
  }
  if (packet->l4_bytes < needed) {
    return too_short(packet);
  }
  int failed;
  if (fixed_offset != 0) {
    failed = needed == 20 ? read_fixed(skb, fixed_offset, head, 20) : read_fixed(skb, fixed_offset, head, 8);
  } else {
    failed = (int)(needed == 20 ? bpf_skb_load_bytes(skb, packet->l4_offset, head, 20)
                                : bpf_skb_load_bytes(skb, packet->l4_offset, head, 8));
  }
  if (failed) {
    return too_short(packet);
  }
  const int reason = check_l4(packet, head, skb->gso_size);
  if (reason != KRAIT_ALLOWED) {
    return reason;
  }
  if (has_ports(packet->tuple.protocol)) {
    classify_ports(packet, *(__u16*)&head[0], *(__u16*)&head[2]);
  } else {
    classify_icmp(packet, head[0], *(__u16*)&head[4]);
  }
  return KRAIT_ALLOWED;
}
