/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The packet that an ICMP error quotes. */
#pragma once

#include "krait/bpf/parse.h"
#include "krait/bpf/scratch.h"

/* What quoted headers say of the tuple. `head` holds 8 bytes of the transport header. */
static __always_inline void classify_quoted(struct packet* quoted, const __u8* head) {
  if (has_ports(quoted->tuple.protocol)) {
    classify_ports(quoted, *(__u16*)&head[0], *(__u16*)&head[2]);
  } else if (is_own_icmp(quoted)) {
    classify_icmp(quoted, head[0], *(__u16*)&head[4]);
  } else {
    classify_protocol(quoted);
  }
}

static __always_inline int read_quoted_ipv4(struct __sk_buff* skb, struct packet* quoted) {
  struct iphdr ip;
  if (bpf_skb_load_bytes(skb, quoted->l4_offset, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5 ||
      (bpf_ntohs(ip.frag_off) & IPV4_OFFSET_MASK) != 0) {
    return -1;
  }
  map_ipv4(quoted->tuple.source_be, ip.saddr);
  map_ipv4(quoted->tuple.destination_be, ip.daddr);
  quoted->tuple.protocol = ip.protocol;
  quoted->l4_offset += ip.ihl * 4U;
  return 0;
}

static __always_inline int read_quoted_ipv6(struct __sk_buff* skb, struct packet* quoted) {
  struct ipv6hdr ip;
  if (bpf_skb_load_bytes(skb, quoted->l4_offset, &ip, sizeof(ip)) || ip.version != 6) {
    return -1;
  }
  __builtin_memcpy(quoted->tuple.source_be, &ip.saddr, 16);
  __builtin_memcpy(quoted->tuple.destination_be, &ip.daddr, 16);
  quoted->tuple.protocol = ip.nexthdr;
  quoted->l4_offset += sizeof(ip);
  quoted->l4_bytes -= sizeof(ip);
  return skip_extensions(skb, quoted) != KRAIT_ALLOWED || quoted->fragment == FRAGMENT_LATER ? -1 : 0;
}

/* Parses the packet that an ICMP error quotes; at least 8 bytes of its transport header are there (RFC 792, RFC 4443).
 */
static __noinline int parse_quoted(struct __sk_buff* skb, struct scratch* scratch) {
  const struct packet* outer = &scratch->packet;
  struct packet* quoted = &scratch->quoted;
  const __u32 end = outer->l4_offset + outer->l4_bytes;
  __u8 head[8];
  if (outer->l4_bytes < 8 + sizeof(struct ipv6hdr) && outer->is_v6) {
    return -1;
  }
  __builtin_memset(quoted, 0, sizeof(*quoted));
  quoted->is_v6 = outer->is_v6;
  quoted->is_quoted = 1;
  quoted->l4_offset = outer->l4_offset + 8;
  quoted->l4_bytes = outer->l4_bytes - 8;
  if (outer->is_v6 ? read_quoted_ipv6(skb, quoted) : read_quoted_ipv4(skb, quoted)) {
    return -1;
  }
  if (quoted->l4_offset + sizeof(head) > end || bpf_skb_load_bytes(skb, quoted->l4_offset, head, sizeof(head))) {
    return -1;
  }
  classify_quoted(quoted, head);
  return 0;
}
