/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A packet's working memory. It lies in a map and not on the stack for two reasons: 512 bytes of stack are too few, and
 * of map memory the verifier remembers no values, so that the many ways through the parser go on as one state instead
 * of each on its own (more than a million instructions otherwise).
 *
 * TC programs run with bottom halves disabled: no other one runs on this CPU in between.
 */
#pragma once

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include "krait/bpf/maps.h"
#include "krait/bpf/packet.h"

struct identity {
  __u32 masked_be[4] __attribute__((aligned(8))); /* the address, as covering_network() masks it */
  __u32 slot;
  __u32 owner; /* of the entry that was found */
  __u32 tag;   /* 0: unknown */
  __u16 source_class;
  __u16 destination_class;
};

/* Where the packet's flow is, or would be. */
struct flow_place {
  struct krait_flow_key key;
  __u64 mark;   /* without KRAIT_MARK_FROM_B */
  __u32 bucket; /* its number in krait_flows */
  __u32 way;
  __u32 from_b; /* the packet's source is end b */
  __u32 initiator_is_b;
};

/* What a search for a place remembers. */
struct victim {
  __u64 oldest_own;
  __u64 oldest_any;
  __u64 own_way;
  __u64 any_way;
  __u64 own; /* how many */
};

/* What reject() writes in a packet's place. */
struct answer_icmpv4 {
  __u8 head[8];
  __u8 quote[20 + 8];
};
struct answer_icmpv6 {
  __u8 head[8];
  __u8 quote[40 + 8];
};
struct answer {
  struct {
    __u32 source_be[4] __attribute__((aligned(8)));
    __u32 destination_be[4] __attribute__((aligned(8)));
    __u32 bytes_be;
    __u32 protocol_be;
  } pseudo; /* RFC 8200 8.1; IPv4's sums up to the same */
  union {
    struct {
      struct iphdr ip;
      union {
        struct tcphdr tcp;
        struct answer_icmpv4 icmp;
      };
    } v4;
    struct {
      struct ipv6hdr ip;
      union {
        struct tcphdr tcp;
        struct answer_icmpv6 icmp;
      };
    } v6;
  };
};

/* Where the headers of a packet are that arrives on another interface, from its network header on. */
struct outside {
  __u32 protocol_be; /* ETH_P_IP, ETH_P_IPV6; nothing else is judged */
  __u32 ip_offset;
  __u32 l4_offset;
  __u32 is_fragment; /* any part of a datagram; IPv6: has the header */
  __u32 end;         /* IPv6: of the packet, behind which a frame may go on */
  __u32 speech;      /* enum speech, of fence.h */
};

/* The options of an IPv4 or a TCP header, while somebody looks through them. */
struct options {
  __u32 at;
  __u32 bytes;     /* that are there, at most 40 */
  __u8 octets[64]; /* the rest is zero */
};

struct scratch {
  struct packet packet;
  struct packet quoted; /* by an ICMP error */
  struct identity source;
  struct identity destination;
  struct identity quoted_destination;
  struct flow_place flow;
  struct victim victim;
  struct krait_fragment_key fragment_key;
  struct krait_trace judgement;
  __u32 cell;   /* that decided */
  __u32 opened; /* a new flow, or a packet that passes on its own */
  struct answer answer;
  struct options options;
  struct bpf_fib_lookup route;
  struct krait_way_key way;
  struct outside outside;
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct scratch);
} krait_scratch SEC(".maps");
