/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Network headers. Every function returns KRAIT_ALLOWED or the reason to drop. */
#pragma once

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "krait/bpf/parse_l4.h"

#define MAPPED_PREFIX_BE bpf_htonl(0xffff)
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_OFFSET_MASK 0x1fff
#define MAX_EXTENSION_HEADERS 8
#define NEXT_HOP_BY_HOP 0
#define NEXT_ROUTING 43
#define NEXT_FRAGMENT 44
#define NEXT_DESTINATION 60

static __always_inline void map_ipv4(__u32* to_be, __u32 address_be) {
  store_words(to_be, 0, 0);
  store_words(to_be + 2, MAPPED_PREFIX_BE, address_be);
}

/* offset_bytes and more are the packet's place in its datagram. */
static __always_inline int check_fragment(struct packet* packet, __u32 offset_bytes, __u32 more) {
  if (offset_bytes == 0 && !more) {
    return KRAIT_ALLOWED;
  }
  if (!packet->is_quoted &&
      (offset_bytes + packet->l4_bytes > 65535 || packet->l4_bytes == 0 || (more && packet->l4_bytes % 8 != 0))) {
    return KRAIT_REASON_MALFORMED;
  }
  packet->fragment_offset = offset_bytes;
  packet->fragment = offset_bytes == 0 ? FRAGMENT_FIRST : FRAGMENT_LATER;
  return KRAIT_ALLOWED;
}

static __always_inline int parse_ipv4(struct __sk_buff* skb, struct packet* packet, __u32 l3_offset) {
  struct iphdr ip;
  const __u32 available = skb->len - l3_offset;
  if (available < sizeof(ip) || read_fixed(skb, l3_offset, &ip, sizeof(ip))) {
    return KRAIT_REASON_TRUNCATED;
  }
  const __u32 header_bytes = ip.ihl * 4U;
  __u32 total = bpf_ntohs(ip.tot_len);
  if (total == 0 && skb->gso_size != 0) {
    total = available; /* BIG TCP: the length does not fit the field */
  }
  if (ip.version != 4 || ip.ihl < 5 || total < header_bytes) {
    return KRAIT_REASON_MALFORMED;
  }
  if (total > available) {
    return KRAIT_REASON_TRUNCATED;
  }
  map_ipv4(packet->tuple.source_be, ip.saddr);
  map_ipv4(packet->tuple.destination_be, ip.daddr);
  packet->tuple.protocol = ip.protocol;
  packet->l4_offset = l3_offset + header_bytes;
  packet->l4_bytes = total - header_bytes;
  const __u32 fragment = bpf_ntohs(ip.frag_off);
  const int reason = check_fragment(packet, (fragment & IPV4_OFFSET_MASK) * 8, fragment & IPV4_MORE_FRAGMENTS);
  if (reason != KRAIT_ALLOWED) {
    return reason;
  }
  packet->fragment_id_be = ip.id;
  if (packet->fragment == FRAGMENT_LATER) {
    return ip.protocol == IPPROTO_TCP && (fragment & IPV4_OFFSET_MASK) == 1 ? KRAIT_REASON_FRAGMENT_OVERLAP
                                                                            : KRAIT_ALLOWED;
  }
  return ip.ihl == 5 ? parse_l4(skb, packet, l3_offset + sizeof(ip)) : parse_l4(skb, packet, 0);
}

static __always_inline int is_extension(__u32 protocol) {
  return protocol == NEXT_HOP_BY_HOP || protocol == NEXT_ROUTING || protocol == NEXT_DESTINATION ||
         protocol == NEXT_FRAGMENT;
}

/*
 * Walks the extension headers from packet->l4_offset on, whose type is tuple.protocol, and leaves both at what follows
 * them. Stops behind the fragment header of a later fragment.
 */
static __noinline int skip_extensions(struct __sk_buff* skb, struct packet* packet) {
  __u32 fragmented = 0;
/* Unrolled, because 6.1 refuses a loop whose last instruction falls through to its first (check_cfg). */
#pragma clang loop unroll(full)
  for (int i = 0; i <= MAX_EXTENSION_HEADERS; i++) {
    __u8 head[8];
    const __u32 type = packet->tuple.protocol;
    if (!is_extension(type)) {
      return KRAIT_ALLOWED;
    }
    if (i == MAX_EXTENSION_HEADERS) {
      break;
    }
    if ((type == NEXT_HOP_BY_HOP && i != 0) || (type == NEXT_FRAGMENT && fragmented)) {
      return KRAIT_REASON_MALFORMED;
    }
    if (packet->l4_bytes < sizeof(head) || bpf_skb_load_bytes(skb, packet->l4_offset, head, sizeof(head))) {
      return too_short(packet);
    }
    /* Segments left: it is for somebody else. What is quoted was for the last segment, as the kernel sees it. */
    if (type == NEXT_ROUTING && (packet->is_quoted || head[2] == 0 || head[3] != 0)) {
      return KRAIT_REASON_ROUTING_HEADER;
    }
    const __u32 bytes = type == NEXT_FRAGMENT ? 8 : (head[1] + 1U) * 8;
    if (packet->l4_bytes < bytes) {
      return too_short(packet);
    }
    packet->l4_offset += bytes;
    packet->l4_bytes -= bytes;
    packet->tuple.protocol = head[0];
    if (type == NEXT_FRAGMENT) {
      const __u32 place = (__u32)head[2] << 8 | head[3];
      const int reason = check_fragment(packet, place & 0xfff8, place & 1);
      if (reason != KRAIT_ALLOWED) {
        return reason;
      }
      fragmented = 1;
      packet->has_fragment_header = 1;
      __builtin_memcpy(&packet->fragment_id_be, head + 4, 4);
      if (packet->fragment == FRAGMENT_LATER) {
        return head[0] == IPPROTO_TCP && (place & 0xfff8) == 8 ? KRAIT_REASON_FRAGMENT_OVERLAP : KRAIT_ALLOWED;
      }
    }
  }
  return KRAIT_REASON_EXTENSION_HEADERS;
}

static __always_inline int parse_ipv6(struct __sk_buff* skb, struct packet* packet, __u32 l3_offset) {
  struct ipv6hdr ip;
  const __u32 available = skb->len - l3_offset;
  if (available < sizeof(ip) || read_fixed(skb, l3_offset, &ip, sizeof(ip))) {
    return KRAIT_REASON_TRUNCATED;
  }
  __u32 payload = bpf_ntohs(ip.payload_len);
  if (payload == 0 && skb->gso_size != 0) {
    payload = available - (__u32)sizeof(ip);
  }
  if (ip.version != 6) {
    return KRAIT_REASON_MALFORMED;
  }
  if (payload + sizeof(ip) > available) {
    return KRAIT_REASON_TRUNCATED;
  }
  store_address(packet->tuple.source_be, ip.saddr.s6_addr32);
  store_address(packet->tuple.destination_be, ip.daddr.s6_addr32);
  packet->is_v6 = 1;
  packet->l4_offset = l3_offset + sizeof(ip);
  packet->l4_bytes = payload;
  packet->tuple.protocol = ip.nexthdr;
  if (ip.nexthdr == IPPROTO_TCP || ip.nexthdr == IPPROTO_UDP) {
    return parse_l4(skb, packet, l3_offset + sizeof(ip));
  }
  const int reason = skip_extensions(skb, packet);
  if (reason != KRAIT_ALLOWED || packet->fragment == FRAGMENT_LATER) {
    return reason;
  }
  return parse_l4(skb, packet, 0);
}

static __always_inline int parse(struct __sk_buff* skb, struct packet* packet, __u32 l3_offset) {
  packet->l3_offset = l3_offset;
  if (skb->len < l3_offset) {
    return KRAIT_REASON_TRUNCATED;
  }
  switch (skb->protocol) {
    case bpf_htons(ETH_P_IP):
      return parse_ipv4(skb, packet, l3_offset);
    case bpf_htons(ETH_P_IPV6):
      return parse_ipv6(skb, packet, l3_offset);
    default:
      return KRAIT_REASON_NOT_IP;
  }
}
