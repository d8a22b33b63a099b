/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The verdict by policy and flow table: the tables "What a packet is" and "TCP" of docs/flows.md, row by row. */
#pragma once

#include "krait/bpf/flow.h"
#include "krait/bpf/parse.h"
#include "krait/bpf/snapshot.h"

/* Why a cell that does not allow does not. */
static __always_inline int denial_reason(__u32 cell) {
  if (cell & KRAIT_CELL_EXPIRED) {
    return KRAIT_REASON_RULE_EXPIRED;
  }
  return cell & KRAIT_CELL_RULE ? KRAIT_REASON_DENIED_BY_RULE : KRAIT_REASON_NO_RULE;
}

/*
 * Decides by the policy and the flow table; scratch->cell becomes the deciding cell. The policy is asked on every
 * packet; the table only says whether the packet answers somebody.
 */
static __always_inline int decide_flow(const struct view* view, struct scratch* scratch) {
  const struct packet* packet = &scratch->packet;
  const __u32 own = lookup_cell(view, &scratch->source, &scratch->destination, packet->selector);
  const __u32 own_allowed = own & KRAIT_CELL_ALLOW;
  scratch->cell = own;
  if (!packet->makes_flow && !packet->can_be_reply) {
    scratch->opened = 1;
    return own_allowed ? KRAIT_ALLOWED : denial_reason(own);
  }
  const __u64 now = now_jiffies();
  struct krait_flow* flow = find_flow(packet, &scratch->flow);
  const int live = flow && is_live(flow, packet->tuple.protocol, now);
  const int answers = live && packet->can_be_reply && scratch->flow.initiator_is_b != scratch->flow.from_b;
  const int asks = is_opening_syn(packet);
  if (own_allowed && live && !answers && packet->makes_flow && !asks) {
    refresh_flow(flow, scratch, now);
    return KRAIT_ALLOWED;
  }
  const __u32 reverse =
      answers ? lookup_cell(view, &scratch->destination, &scratch->source, packet->reply_selector) : 0;
  const int answer_allowed = answers && reverse & KRAIT_CELL_ALLOW;
  if (own_allowed) {
    if (answer_allowed && !asks) {
      refresh_flow(flow, scratch, now);
    } else if (packet->makes_flow && !(packet->tcp_flags & TCP_RST)) {
      open_flow(flow, scratch, now);
    }
    return KRAIT_ALLOWED;
  }
  /* A SYN asks, it does not answer; but two ends that open at once both ask (RFC 9293 3.5). */
  if (!answers || (asks && (flow->flags & (KRAIT_FLOW_OPENING | KRAIT_FLOW_RESET)) != KRAIT_FLOW_OPENING)) {
    return denial_reason(own);
  }
  scratch->cell = reverse;
  if (!answer_allowed) {
    return KRAIT_REASON_FLOW_REVOKED;
  }
  refresh_flow(flow, scratch, now);
  return KRAIT_ALLOWED;
}
