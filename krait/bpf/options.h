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
