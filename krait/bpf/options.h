/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Lists of options, which IPv4 and TCP headers write alike (RFC 791 3.1, RFC 9293 3.1). */
#pragma once

#include "krait/bpf/scratch.h"

#define MAX_OPTION_BYTES 40U
#define MIN_OPTION_BYTES 4U /* headers are whole words */
#define OPTION_END 0
#define OPTION_NOP 1

/* Keeps an offset within the octets in a way that the verifier believes. */
static __always_inline __u32 within_options(__u32 at) {
  OPAQUE(at);
  return at & 63;
}

/* Fails where there are none, or more than a header can have. */
static __always_inline int read_options(struct __sk_buff* skb, struct options* options, __u32 offset, __u32 bytes) {
  OPAQUE(bytes);
  if (bytes < MIN_OPTION_BYTES || bytes > MAX_OPTION_BYTES) {
    return -1;
  }
  __builtin_memset(options->octets, 0, sizeof(options->octets));
  options->bytes = bytes;
  return (int)bpf_skb_load_bytes(skb, offset, options->octets, bytes);
}

/* How long an option is, by the octet behind its kind; 0 where that is too short. From masks: the verifier follows
 * every branch, and all later ones twice for each. */
static __always_inline __u32 option_bytes(__u32 kind, __u32 octet) {
  __u32 is_nop = (__u32)((__s32)((kind ^ OPTION_NOP) - 1) >> 31);
  __u32 is_short = (__u32)((__s32)(octet - 2) >> 31);
  OPAQUE(is_nop);
  OPAQUE(is_short);
  return (is_nop & 1) | (octet & ~is_nop & ~is_short);
}

#define NO_OPTION MAX_OPTION_BYTES
#define BROKEN_OPTION (MAX_OPTION_BYTES + 1)

/*
 * Where among the options that read_options() read the first one of either kind begins; NO_OPTION, or BROKEN_OPTION
 * where one before it, or itself, is longer than there is room. Global, so that the verifier judges it once and on its
 * own, and where it looks lies in the scratch map, so that each step is one state to it.
 */
__noinline __u32 find_option(__u32 kind_a, __u32 kind_b) {
  const __u32 zero = 0;
  struct scratch* scratch = bpf_map_lookup_elem(&krait_scratch, &zero);
  if (!scratch) {
    return BROKEN_OPTION;
  }
  struct options* options = &scratch->options;
  *(volatile __u32*)&options->at = 0;
  for (int step = 0; step < (int)MAX_OPTION_BYTES; step++) {
    const __u32 at = *(volatile __u32*)&options->at;
    if (at >= options->bytes) {
      return NO_OPTION;
    }
    const __u32 kind = options->octets[within_options(at)];
    if (kind == OPTION_END) {
      return NO_OPTION;
    }
    const __u32 length = option_bytes(kind, options->octets[within_options(at + 1)]);
    if (length == 0 || at + length > options->bytes) {
      return BROKEN_OPTION;
    }
    if (kind == kind_a || kind == kind_b) {
      return at;
    }
    *(volatile __u32*)&options->at = at + length;
  }
  return NO_OPTION;
}
