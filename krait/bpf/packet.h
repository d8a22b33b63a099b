/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What parsing finds out about a packet. */
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "krait/abi/reasons.h"
#include "krait/abi/selector.h"
#include "krait/abi/types.h"

enum fragment { FRAGMENT_NONE, FRAGMENT_FIRST, FRAGMENT_LATER };

struct tuple {
  __u32 source_be[4] __attribute__((aligned(8))); /* IPv4 mapped */
  __u32 destination_be[4] __attribute__((aligned(8)));
  __u16 source_port_be;      /* ICMP query or its reply: the identifier */
  __u16 destination_port_be; /* ICMP query or its reply: the request's type, in host order */
  __u32 protocol;
};

struct packet {
  struct tuple tuple;
  __u32 selector;       /* of its own direction */
  __u32 reply_selector; /* of its initiator's direction, should it be a reply */
  __u32 l3_offset;
  __u32 l4_offset;
  __u32 l4_bytes; /* what the IP header promises, and the packet has */
  __u32 fragment_id_be;
  __u32 fragment_offset; /* bytes */
  __u8 is_v6;
  __u8 fragment; /* enum fragment */
  __u8 icmp_type;
  __u8 tcp_flags; /* byte 13 of the TCP header */
  __u8 makes_flow;
  __u8 can_be_reply;
  __u8 is_icmp_error;
  __u8 is_quoted;           /* by an ICMP error, which may cut it short anywhere */
  __u8 has_fragment_header; /* IPv6, even of what is whole (RFC 6946) */
  __u8 reserved[3];
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

static __always_inline void copy_address(__u32* to_be, const __u32* from_be) {
  ((__u64*)to_be)[0] = ((const __u64*)from_be)[0];
  ((__u64*)to_be)[1] = ((const __u64*)from_be)[1];
}

/*
 * Two words as one store. What is stored in pieces and loaded as a whole right behind waits for the pieces to reach the
 * cache: a dozen cycles on each packet's longest chain.
 */
static __always_inline void store_words(__u32* to, __u32 first, __u32 second) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  *(__u64*)to = (__u64)second << 32 | first;
#else
  *(__u64*)to = (__u64)first << 32 | second;
#endif
}

static __always_inline void store_address(__u32* to_be, const __u32* from_be) {
  store_words(to_be, from_be[0], from_be[1]);
  store_words(to_be + 2, from_be[2], from_be[3]);
}

static __always_inline __u8 is_opening_syn(const struct packet* packet) {
  return (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/*
 * Copies `bytes` (a constant) at the constant `offset`. A packet's head may hold less than its headers (egress: 52
 * bytes were seen), so what direct access cannot reach goes through the helper. Nothing is ever pulled: that writes to
 * the skb.
 */
static __always_inline int read_fixed(struct __sk_buff* skb, __u32 offset, void* to, __u32 bytes) {
  void* data = (void*)(long)skb->data;
  void* end = (void*)(long)skb->data_end;
  if (data + offset + bytes <= end) {
    /* Words, not bytes: every machine that verifies programs without strict alignment loads them from anywhere. */
    __builtin_memcpy(to, __builtin_assume_aligned(data + offset, 4), bytes);
    return 0;
  }
  return (int)bpf_skb_load_bytes(skb, offset, to, bytes);
}

/* Hides a value's history from the compiler, so that the bounds check behind it is the one that the verifier sees. */
#define OPAQUE(value) __asm__ volatile("" : "+r"(value))
