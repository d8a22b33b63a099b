/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* From a parsed packet and the two identities to the verdict. */
#pragma once

#include "krait/bpf/flow_verdict.h"
#include "krait/bpf/icmp_error.h"

static __always_inline int decide_packet(struct __sk_buff* skb, const struct view* view, struct scratch* scratch) {
  const __u8 is_icmp_error = scratch->packet.is_icmp_error;
  if (is_icmp_error) {
    const int reason = decide_icmp_error(skb, view, scratch);
    if (reason >= 0) {
      return reason;
    }
  }
  const int reason = decide_flow(view, scratch);
  return is_icmp_error && reason == KRAIT_REASON_NO_RULE ? KRAIT_REASON_ICMP_ERROR_UNRELATED : reason;
}
