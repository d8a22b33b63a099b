/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Rules with `reject`: a denied packet of a local application is turned into the answer that ends its waiting, a TCP
 * reset or an ICMP "administratively prohibited", and comes back through the interface as if the other end had sent it.
 * Only packets that are dropped anyhow are written to.
 */
#pragma once

#include "krait/bpf/scratch.h"

#define REJECT_TTL 64
#define ICMP_UNREACHABLE 3
#define ICMP_ADMIN_PROHIBITED 13 /* RFC 1812 5.2.7.1 */
#define ICMPV6_UNREACHABLE 1
#define ICMPV6_ADMIN_PROHIBITED 1 /* RFC 4443 3.1 */

static __always_inline __u16 fold(__u32 sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16)~sum;
}

/* The checksum of `bytes` (a constant, a multiple of 4) of transport header and data behind the two addresses. */
static __always_inline __u16 transport_checksum(struct answer* answer, const void* from, __u32 bytes, __u32 protocol) {
  answer->pseudo.bytes_be = bpf_htonl(bytes);
  answer->pseudo.protocol_be = bpf_htonl(protocol);
  const __s64 head = bpf_csum_diff(0, 0, (__be32*)&answer->pseudo, sizeof(answer->pseudo), 0);
  return fold((__u32)bpf_csum_diff(0, 0, (__be32*)from, bytes, (__wsum)head));
}

static __always_inline void answer_ipv4(struct scratch* scratch, __u32 bytes, __u8 protocol) {
  const struct tuple* tuple = &scratch->packet.tuple;
  struct answer* answer = &scratch->answer;
  struct iphdr* ip = &answer->v4.ip;
  __builtin_memset(ip, 0, sizeof(*ip));
  ip->version = 4;
  ip->ihl = 5;
  ip->tot_len = bpf_htons((__u16)bytes);
  ip->frag_off = bpf_htons(0x4000); /* do not fragment */
  ip->ttl = REJECT_TTL;
  ip->protocol = protocol;
  ip->saddr = tuple->destination_be[3];
  ip->daddr = tuple->source_be[3];
  ip->check = fold((__u32)bpf_csum_diff(0, 0, (__be32*)ip, sizeof(*ip), 0));
}

static __always_inline void answer_ipv6(struct scratch* scratch, __u32 payload_bytes, __u8 next_header) {
  const struct tuple* tuple = &scratch->packet.tuple;
  struct ipv6hdr* ip = &scratch->answer.v6.ip;
  __builtin_memset(ip, 0, sizeof(*ip));
  ip->version = 6;
  ip->payload_len = bpf_htons((__u16)payload_bytes);
  ip->nexthdr = next_header;
  ip->hop_limit = REJECT_TTL;
  __builtin_memcpy(&ip->saddr, tuple->destination_be, 16);
  __builtin_memcpy(&ip->daddr, tuple->source_be, 16);
}

/* The reset that an end sends for a segment of a connection that it does not know (RFC 9293 3.10.7.1). */
static __always_inline int answer_tcp(struct __sk_buff* skb, struct scratch* scratch, struct tcphdr* reset) {
  const struct packet* packet = &scratch->packet;
  struct tcphdr denied;
  if (bpf_skb_load_bytes(skb, packet->l4_offset, &denied, sizeof(denied)) || denied.rst) {
    return -1;
  }
  const __u32 used = packet->l4_bytes - denied.doff * 4U + denied.syn + denied.fin;
  __builtin_memset(reset, 0, sizeof(*reset));
  reset->source = denied.dest;
  reset->dest = denied.source;
  reset->doff = sizeof(*reset) / 4;
  reset->rst = 1;
  if (denied.ack) {
    reset->seq = denied.ack_seq;
  } else {
    reset->ack = 1;
    reset->ack_seq = bpf_htonl(bpf_ntohl(denied.seq) + used);
  }
  reset->check = transport_checksum(&scratch->answer, reset, sizeof(*reset), IPPROTO_TCP);
  return 0;
}

/* Writes the answer's `bytes` (a constant) in the packet's place. */
static __always_inline int replace_packet(struct __sk_buff* skb, __u32 l3_offset, const void* answer, __u32 bytes) {
  return bpf_skb_change_tail(skb, l3_offset + bytes, 0) ||
         bpf_skb_store_bytes(skb, l3_offset, answer, bytes, BPF_F_INVALIDATE_HASH);
}

static __noinline int reject_ipv4(struct __sk_buff* skb, __u32 l3_offset, struct scratch* scratch) {
  struct answer* answer = &scratch->answer;
  if (scratch->packet.tuple.protocol == IPPROTO_TCP) {
    if (answer_tcp(skb, scratch, &answer->v4.tcp)) {
      return -1;
    }
    answer_ipv4(scratch, sizeof(answer->v4.ip) + sizeof(answer->v4.tcp), IPPROTO_TCP);
    return replace_packet(skb, l3_offset, &answer->v4, sizeof(answer->v4.ip) + sizeof(answer->v4.tcp));
  }
  struct answer_icmpv4* icmp = &answer->v4.icmp;
  icmp->head[0] = ICMP_UNREACHABLE;
  icmp->head[1] = ICMP_ADMIN_PROHIBITED;
  if (bpf_skb_load_bytes(skb, l3_offset, icmp->quote, sizeof(icmp->quote))) {
    return -1;
  }
  const __u16 sum = fold((__u32)bpf_csum_diff(0, 0, (__be32*)icmp, sizeof(*icmp), 0));
  *(__u16*)&icmp->head[2] = sum;
  answer_ipv4(scratch, sizeof(answer->v4.ip) + sizeof(*icmp), IPPROTO_ICMP);
  return replace_packet(skb, l3_offset, &answer->v4, sizeof(answer->v4.ip) + sizeof(*icmp));
}

static __noinline int reject_ipv6(struct __sk_buff* skb, __u32 l3_offset, struct scratch* scratch) {
  struct answer* answer = &scratch->answer;
  if (scratch->packet.tuple.protocol == IPPROTO_TCP) {
    if (answer_tcp(skb, scratch, &answer->v6.tcp)) {
      return -1;
    }
    answer_ipv6(scratch, sizeof(answer->v6.tcp), IPPROTO_TCP);
    return replace_packet(skb, l3_offset, &answer->v6, sizeof(answer->v6.ip) + sizeof(answer->v6.tcp));
  }
  struct answer_icmpv6* icmp = &answer->v6.icmp;
  icmp->head[0] = ICMPV6_UNREACHABLE;
  icmp->head[1] = ICMPV6_ADMIN_PROHIBITED;
  if (bpf_skb_load_bytes(skb, l3_offset, icmp->quote, sizeof(icmp->quote))) {
    return -1;
  }
  const __u16 sum = transport_checksum(answer, icmp, sizeof(*icmp), IPPROTO_ICMPV6);
  *(__u16*)&icmp->head[2] = sum;
  answer_ipv6(scratch, sizeof(*icmp), IPPROTO_ICMPV6);
  return replace_packet(skb, l3_offset, &answer->v6, sizeof(answer->v6.ip) + sizeof(*icmp));
}

/* No answers to what came from elsewhere, to later fragments, to errors, replies or types without an answer. */
static __always_inline int can_be_rejected(const struct __sk_buff* skb, const struct packet* packet) {
  const __u32 plain = packet->is_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
  const int is_icmp = packet->tuple.protocol == (packet->is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
  return skb->ingress_ifindex == 0 && packet->fragment != FRAGMENT_LATER &&
         packet->l4_offset - packet->l3_offset == plain && (!is_icmp || packet->makes_flow);
}

/* Gives the verdict for a packet that was denied by a cell with KRAIT_CELL_REJECT. */
static __always_inline int reject(struct __sk_buff* skb, __u32 l3_offset, struct scratch* scratch) {
  struct answer* answer = &scratch->answer;
  const struct tuple* tuple = &scratch->packet.tuple;
  if (!can_be_rejected(skb, &scratch->packet)) {
    return TC_ACT_SHOT;
  }
  __builtin_memset(answer, 0, sizeof(*answer));
  copy_address(answer->pseudo.source_be, tuple->destination_be);
  copy_address(answer->pseudo.destination_be, tuple->source_be);
  if (!scratch->packet.is_v6) {
    /* What is left sums up to IPv4's pseudo header (RFC 9293 3.1). */
    answer->pseudo.source_be[2] = 0;
    answer->pseudo.destination_be[2] = 0;
  }
  if (scratch->packet.is_v6 ? reject_ipv6(skb, l3_offset, scratch) : reject_ipv4(skb, l3_offset, scratch)) {
    return TC_ACT_SHOT;
  }
  skb->mark = krait_reject_mark;
  return (int)bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

/* The answer that reject() sent this way: nobody else knows its mark, and decrypted packets come without one. */
static __always_inline int is_own_answer(struct __sk_buff* skb, __u32 direction) {
  if (direction != KRAIT_INGRESS || krait_reject_mark == 0 || skb->mark != krait_reject_mark) {
    return 0;
  }
  skb->mark = 0;
  return 1;
}
