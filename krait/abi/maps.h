/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The values of the other maps, and their sizes where these are fixed. */
#pragma once

#include "krait/abi/reasons.h"
#include "krait/abi/types.h"

enum krait_direction { KRAIT_INGRESS, KRAIT_EGRESS, KRAIT_DIRECTIONS };
enum krait_verdict { KRAIT_DROP, KRAIT_ALLOW, KRAIT_VERDICTS };

/*
 * krait_flows: a flow remembers who initiated it, never a verdict. The two ends stand in the order of their addresses
 * (compared as four words, each as loaded), then ports. IPv4 is mapped. For an ICMP query, a is the end that asks and b
 * the one that answers, port_a_be is the identifier and port_b_be the request's type.
 */
struct krait_flow_key {
  __u32 a_be[4];
  __u32 b_be[4];
  __u16 port_a_be;
  __u16 port_b_be;
  __u32 protocol;
};
KRAIT_ASSERT_SIZE(struct krait_flow_key, 40);

#define KRAIT_FLOW_OPENING 0x1U /* TCP: only the initiator's SYN was seen */
#define KRAIT_FLOW_FIN_A 0x2U   /* TCP: a sent FIN */
#define KRAIT_FLOW_FIN_B 0x4U
#define KRAIT_FLOW_RESET 0x8U /* TCP: a RST passed */
#define KRAIT_FLOW_FLAGS 0xfU
struct krait_flow {
  struct krait_flow_key key;
  __u64 seen_jiffies; /* refreshed at most once a second */
  __u32 flags;
  __u32 pair; /* a hash of the initiator's and the other end's identity */
};
KRAIT_ASSERT_SIZE(struct krait_flow, 56);

/*
 * An array of buckets; a flow lives in the one that its hash names. A mark is the flow's hash with its lowest bits
 * replaced: bit 0 set, bit 1 says that b initiated. It is written last and holds with the key: of an entry that two
 * CPUs write at once, either mark and key fit together or nobody finds it. Bucket 0 holds no flows, but a struct
 * krait_flow_head.
 */
#define KRAIT_FLOWS_LAYOUT 2U /* raised when flows of an older table have to be converted */
#define KRAIT_FLOW_WAYS 8U
#define KRAIT_MARK_USED 1ULL
#define KRAIT_MARK_FROM_B 2ULL
struct krait_flow_bucket {
  __u64 marks[KRAIT_FLOW_WAYS];
  struct krait_flow flows[KRAIT_FLOW_WAYS];
};
KRAIT_ASSERT_SIZE(struct krait_flow_bucket, 512);

/* What the hash is keyed with: as many words as a key has. Random, and told to nobody. */
struct krait_flow_seeds {
  __u32 words[10];
};
KRAIT_ASSERT_SIZE(struct krait_flow_seeds, 40);

struct krait_flow_head {
  __u64 seeded; /* 0: a new table */
  __u64 layout; /* KRAIT_FLOWS_LAYOUT; 0: of tables made before it was written down, which is 1 */
  struct krait_flow_seeds seeds;
};
KRAIT_ASSERT_SIZE(struct krait_flow_head, 56);

/*
 * NH of UMAC (Black, Halevi, Krawczyk, Krovetz, Rogaway, CRYPTO 1999; RFC 4418 5.2), then a mixer that loses nothing.
 * Each half word is added to a seed of its own before halves are multiplied: for any two keys that somebody chooses, at
 * most one in 2^32 seeds makes their sums equal. What is chosen in one word cannot be taken back in another, as no
 * word's multiplier is known.
 */
static inline __attribute__((always_inline)) __u64 krait_flow_hash(const struct krait_flow_key* key,
                                                                   const volatile struct krait_flow_seeds* seeds) {
  typedef __u64 __attribute__((may_alias)) word; /* a key is written by its fields */
  const word* words = (const word*)key;
  __u64 sum = 0;
#pragma GCC unroll 5
  for (__u64 i = 0; i < 5; i++) {
    const __u32 low = (__u32)words[i] + seeds->words[2 * i];
    const __u32 high = (__u32)(words[i] >> 32) + seeds->words[2 * i + 1];
    sum += (__u64)low * high;
  }
  sum = (sum ^ sum >> 32) * 0xff51afd7ed558ccdULL;
  return sum ^ sum >> 32;
}

/* Of a flow's hash: its mark but for who initiated, and its bucket in a table of mask + 1 buckets. */
#define KRAIT_FLOW_MARK(hash) (((hash) & ~KRAIT_MARK_FROM_B) | KRAIT_MARK_USED)
#define KRAIT_FLOW_BUCKET(hash, mask) (1 + ((__u32)((hash) >> 32) & (mask)))

/*
 * In a bucket of live flows a new one takes the oldest flow of its own pair of identities once that pair has this many
 * there, and the oldest of all before. So a flood from one pair displaces at most 2 in 8 flows of others.
 */
#define KRAIT_PAIR_WAYS 2U

/* How long a flow may be silent, in seconds. */
#define KRAIT_TCP_OPENING_S 120ULL
#define KRAIT_TCP_ESTABLISHED_S 432000ULL /* as net.netfilter.nf_conntrack_tcp_timeout_established */
#define KRAIT_TCP_CLOSING_S 120ULL
#define KRAIT_TCP_RESET_S 10ULL
#define KRAIT_UDP_S 180ULL
#define KRAIT_ICMP_S 30ULL
#define KRAIT_OTHER_S 600ULL
#define KRAIT_FRAGMENT_S 60ULL

/*
 * krait_ways, LPM trie: what of the networks behind this host is where. An element for each of the host's own routes
 * into one of them, by the route's prefix, and for each address there that is the host's own. The agent keeps it. What
 * has none is reachable nowhere: a wider route would lead its packets to somebody else.
 */
struct krait_way_key {
  __u32 prefixlen; /* mapped; as struct bpf_lpm_trie_key has it */
  __u32 address_be[4];
};
KRAIT_ASSERT_SIZE(struct krait_way_key, 20);
#define KRAIT_WAY_INTERFACES 6U
struct krait_way {
  __u32 length;                           /* mapped, of the network behind this host that this is in */
  __u32 is_own;                           /* an address of the host's own, to which no interface leads */
  __u32 interfaces[KRAIT_WAY_INTERFACES]; /* indexes; 0: none */
};
KRAIT_ASSERT_SIZE(struct krait_way, 32);
#define KRAIT_WAYS 16384U

/* krait_frags, LRU hash: what a first fragment said, so that later ones can be judged too. Never a verdict. */
struct krait_fragment_key {
  __u32 source_be[4];
  __u32 destination_be[4];
  __u32 id_be;
  __u32 protocol; /* IPv4's protocol; 0 for IPv6, whose later fragments may name another (RFC 8200 4.5) */
};
KRAIT_ASSERT_SIZE(struct krait_fragment_key, 40);

struct krait_fragment {
  __u64 seen_jiffies;
  __u16 source_port_be;
  __u16 destination_port_be;
  __u8 protocol;
  __u8 icmp_type;
  __u16 reserved;
};
KRAIT_ASSERT_SIZE(struct krait_fragment, 16);

struct krait_count {
  __u64 packets; /* as on the wire: a GSO packet counts its segments */
  __u64 bytes;   /* from the IP header on; a GSO packet's headers count once */
};
KRAIT_ASSERT_SIZE(struct krait_count, 16);

/* krait_drops, per-CPU array by reason. */
struct krait_drop_count {
  struct krait_count by_direction[KRAIT_DIRECTIONS];
};
KRAIT_ASSERT_SIZE(struct krait_drop_count, 32);

/*
 * krait_pairs, per-CPU array of buckets: traffic by pair of identities. A CPU takes free slots in its own copy, so the
 * same pair may stand in different slots on different CPUs. A pair that finds both its buckets full counts in element
 * 0, whose slots belong to no pair.
 */
struct krait_pair_slot {
  __u32 source_tag; /* 0: unknown */
  __u32 destination_tag;
  __u32 used;
  __u32 reserved;
  struct krait_count count[KRAIT_DIRECTIONS][KRAIT_VERDICTS];
};
KRAIT_ASSERT_SIZE(struct krait_pair_slot, 80);

#define KRAIT_PAIR_SLOTS 4U
struct krait_pair_bucket {
  struct krait_pair_slot slots[KRAIT_PAIR_SLOTS];
};
KRAIT_ASSERT_SIZE(struct krait_pair_bucket, 320);

/*
 * krait_rules, per-CPU array of krait_count by rule number (that of its record): the packets that the rule decided, in
 * both directions.
 */

/*
 * krait_events, ring buffer: dropped packets and flows opened by rules that log. At most KRAIT_EVENTS_A_SECOND for each
 * reason and CPU, so that no flood costs more than a comparison a packet.
 */
#define KRAIT_EVENTS_A_SECOND 16U
#define KRAIT_EVENTS_BYTES 262144U
struct krait_event {
  __u64 boot_ns; /* CLOCK_BOOTTIME */
  __u32 source_be[4];
  __u32 destination_be[4];
  __u32 source_tag; /* 0: unknown */
  __u32 destination_tag;
  __u32 rule;       /* as in krait_trace */
  __u32 interface;  /* index */
  __u32 bytes;      /* of the packet */
  __u32 suppressed; /* events of this reason that this CPU kept to itself since its last one */
  __u16 source_port_be;
  __u16 destination_port_be;
  __u8 protocol;
  __u8 icmp_type;
  __u8 reason; /* enum krait_reason */
  __u8 direction;
};
KRAIT_ASSERT_SIZE(struct krait_event, 72);

/* krait_event_rates, per-CPU array by reason. */
struct krait_event_rate {
  __u64 since_jiffies; /* of the second that is counted */
  __u32 sent;
  __u32 suppressed;
};
KRAIT_ASSERT_SIZE(struct krait_event_rate, 16);

/* krait_trace, one element: the last packet's judgement, written only by programs loaded with krait_tracing. */
struct krait_trace {
  __u32 reason; /* enum krait_reason */
  __u32 source_tag;
  __u32 destination_tag;
  __u32 rule; /* the number of the deciding rule's record plus 1; 0: none */
};
KRAIT_ASSERT_SIZE(struct krait_trace, 16);
