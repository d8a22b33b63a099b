/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A policy snapshot: identities, classes and verdicts as one immutable image. The compiler (krait/compile) writes it,
 * the BPF program reads it, nothing changes it once it is active.
 *
 * The map krait_snapshot is an array of 4096-byte pages that holds two buffers one behind the other. A buffer begins
 * with its header; a section begins on a page; an element never crosses a page, since every element size divides 4096.
 * The program so reads any element with one bounded look-up. A single store to krait_control.active switches
 * everything.
 *
 * A packet's verdict:
 *   source address      -> bucket -> slot -> source class  \
 *   destination address -> bucket -> slot -> dest. class    > matrix -> row \
 *   selector            -> port class ------------------------------------- > cell
 * Neither step's cost depends on how many identities or rules there are.
 */
#pragma once

#include "krait/abi/types.h"

#define KRAIT_PAGE_BYTES 4096U
#define KRAIT_BUFFERS 2U
#define KRAIT_SNAPSHOT_MAGIC 0x4b524149U
#define KRAIT_ABI_VERSION 4U       /* raised with every change to a struct in this folder */
#define KRAIT_ABI_RECORDS_SINCE 2U /* from this version on, header and rule records read as they do now */

#define KRAIT_LENGTH_NODES                                                                                        \
  256U                       /* one for each of IPv4 /0 .. /31 and IPv6 /0 .. /127, and any __u8 is a valid index \
                              */
#define KRAIT_LENGTH_DEPTH 8 /* 128 lengths, balanced */
#define KRAIT_NO_SLOT 0xffffffffU

/* Page 0 of the map. */
struct krait_control {
  __u32 active;           /* the active buffer's first page; 0: none, everything is denied */
  __u32 abi_version;      /* KRAIT_ABI_VERSION */
  __u32 flags;            /* KRAIT_CONTROL_*: the agent's memory */
  __u32 suspended;        /* the first page of the buffer that was taken out of force; 0: none */
  __u64 test_now_jiffies; /* the clocks of programs loaded with krait_test_clock */
  __u64 test_now_boot_ns;
  __u64 build; /* of the programs that are pinned and attached (krait/datapath/loaded.h); 0: they are being replaced */
  __u64 last_revision;   /* that was switched on */
  __u32 clamp_mtu_bytes; /* the interface's MTU, to which the MSS of passing TCP connections is lowered; 0: it is not */
  __u32 reserved_end;
};
KRAIT_ASSERT_SIZE(struct krait_control, 56);
#define KRAIT_CONTROL_OWN_QDISC 0x1U   /* the agent made the clsact qdisc and removes it again */
#define KRAIT_CONTROL_ONLY_GUARDS 0x2U /* the interface is somebody else's: the agent never removes it */

/* A step of the search for the longest prefix: is there an entry of this length? */
struct krait_length_node {
  __u8 length; /* mapped: IPv4's are 96 more */
  __u8 if_found;
  __u8 if_missing;
  __u8 reserved;
};
KRAIT_ASSERT_SIZE(struct krait_length_node, 4);

/* The section's place, counted in pages from the buffer's first page. */
struct krait_snapshot_header {
  __u32 magic; /* KRAIT_SNAPSHOT_MAGIC, or the buffer holds nothing */
  __u32 abi_version;
  __u64 revision; /* of the policy, for people and metrics */
  __u64 hash_seed;
  __u32 pages; /* used in this buffer, header included */
  __u32 bucket_page;
  __u32 bucket_mask; /* number of buckets - 1, a power of two less one */
  __u32 slot_page;
  __u32 port_class_page;
  __u32 matrix_page;
  __u32 matrix_stride; /* destination classes */
  __u32 short_row_page;
  __u32 word_page;
  __u32 word_stride; /* words of a row */
  __u32 cell_page;
  __u32 moment_page;
  __u32 rule_page;
  __u32 rule_records;
  __u32 host_slot; /* of this host's own identity */
  __u8 v4_root;    /* of the search trees over the prefix lengths in use, hosts left out; 0: no networks */
  __u8 v6_root;
  __u16 reserved;
  struct krait_length_node nodes[KRAIT_LENGTH_NODES]; /* node 0 ends a search */
};
KRAIT_ASSERT_SIZE(struct krait_snapshot_header, 1112);

/*
 * Addresses: a two-choice hash table of prefixes, IPv4 as ::ffff:a.b.c.d/(96 + length). Hosts (/128) are looked up
 * first, then a binary search over the lengths in use (Waldvogel et al., SIGCOMM 1997), laid out as a tree: an entry of
 * a shorter length may be a marker that only says "look for longer ones", carrying the longest real prefix that covers
 * it.
 */
struct krait_entry {
  __u32 address_be[4];
  __u32 slot;   /* of the longest prefix that covers this entry, or KRAIT_NO_SLOT */
  __u32 length; /* mapped length 0..128, plus KRAIT_ENTRY_USED */
  __u32 owner;  /* of that prefix: KRAIT_ENTRY_*, its mapped length, and whose it is */
  __u32 reserved;
};
KRAIT_ASSERT_SIZE(struct krait_entry, 32);

#define KRAIT_ENTRY_USED 0x100U
/* The owner of an entry in one word: two flags, the length in 8 bits, the host in 22. */
#define KRAIT_ENTRY_LOCAL 0x1U  /* an address of this host or behind it: no peer may claim it */
#define KRAIT_ENTRY_ROUTED 0x2U /* in a network behind its host; else one of the host's own addresses */
#define KRAIT_ENTRY_LENGTH(owner) ((owner) >> 2 & 0xffU)
#define KRAIT_ENTRY_HOST(owner) ((owner) >> 10) /* KRAIT_THIS_HOST, or the number of the peer in krait.toml, from 1 */
#define KRAIT_ENTRY_OWNER(flags, length, host) ((flags) | (length) << 2 | (host) << 10)
#define KRAIT_THIS_HOST 0U
#define KRAIT_MAX_HOSTS 0x003fffffU

#define KRAIT_BUCKET_ENTRIES 4U
struct krait_bucket {
  struct krait_entry entries[KRAIT_BUCKET_ENTRIES];
};
KRAIT_ASSERT_SIZE(struct krait_bucket, 128);

/* An identity. Slots are numbered as the policy file lists the identities. */
struct krait_slot {
  __u32 tag; /* the identity's number, never 0 */
  __u16 source_class;
  __u16 destination_class;
};
KRAIT_ASSERT_SIZE(struct krait_slot, 8);

/*
 * Port classes: __u32 for each selector. Selectors that no rule names are class 0.
 * The matrix: __u32 for each [source class][destination class], a row number; with KRAIT_ROW_SHORT of a short row.
 *
 * A row gives a cell for each port class. Neighbouring classes mostly share a cell: a row is stored as runs.
 */
#define KRAIT_ROW_SHORT 0x80000000U
#define KRAIT_SHORT_RUNS 8U
struct krait_run {
  __u32 first_class; /* 0 in the first run, ascending; 0xffffffff in unused ones */
  __u32 cell;
};
KRAIT_ASSERT_SIZE(struct krait_run, 8);

struct krait_short_row {
  struct krait_run runs[KRAIT_SHORT_RUNS];
};
KRAIT_ASSERT_SIZE(struct krait_short_row, 64);

/*
 * A row of more runs: bit c % 64 of its word c / 64 is set where a run begins at class c (class 0's always is). The
 * cell of class c is number base + (how many bits are set in this word up to and including c) - 1 of the cells, __u32
 * each.
 */
struct krait_word {
  __u64 begins;
  __u32 base; /* number of the cell of the word's first run; the run before it is at base - 1 */
  __u32 reserved;
};
KRAIT_ASSERT_SIZE(struct krait_word, 16);

/*
 * A cell, __u32: the verdict for (source class, destination class, port class).
 * Bits 0..23 are the number of the deciding rule's record plus 1, or 0 where no rule matches and the default denies.
 * With KRAIT_CELL_TIMED it depends on the time, and they are the number of a moment.
 */
#define KRAIT_CELL_ALLOW 0x80000000U
#define KRAIT_CELL_TIMED 0x40000000U
#define KRAIT_CELL_LOG 0x20000000U     /* report the flows that it opens and the packets that it denies */
#define KRAIT_CELL_REJECT 0x10000000U  /* tell the local sender that it was denied */
#define KRAIT_CELL_EXPIRED 0x08000000U /* denied, and this rule allowed it once */
#define KRAIT_CELL_RULE 0x00ffffffU
#define KRAIT_MAX_RULES 0x00fffffeU

/* A step of the search for the cell of now: a balanced tree over the moments at which a verdict changes. */
struct krait_moment {
  __u64 boot_ns; /* CLOCK_BOOTTIME, so that a suspended machine's rules expire too */
  __u32 before;  /* cells */
  __u32 after;   /* from the moment on */
};
KRAIT_ASSERT_SIZE(struct krait_moment, 16);
#define KRAIT_MOMENT_DEPTH 8 /* at most 255 moments in one cell's tree */

/*
 * What user space knows rules by. A rule keeps its record's number, and with it its counter, from one snapshot to the
 * next. The programs do not read these.
 */
struct krait_rule_record {
  __u64 name_hash;      /* 0: nobody's */
  __u64 duration_hash;  /* of a rule that expires some time after its load: of all that it says; else 0 */
  __u64 loaded_boot_ns; /* when a rule of this duration_hash was first loaded; 0 without one */
  __u64 reserved;
};
KRAIT_ASSERT_SIZE(struct krait_rule_record, 32);

/* The hash of a masked mapped prefix; the two bucket choices are its low and its high half. */
static inline __u64 krait_prefix_hash(const __u32* address_be, __u32 length, __u64 seed) {
  __u64 high = ((__u64)address_be[0] << 32) | address_be[1];
  __u64 low = ((__u64)address_be[2] << 32) | address_be[3];
  __u64 h = (low ^ seed) * 0x9e3779b97f4a7c15ULL + (high ^ (__u64)length << 56) * 0xd6e8feb86659fd93ULL;
  h ^= h >> 32;
  h *= 0xff51afd7ed558ccdULL;
  return h ^ (h >> 32);
}
