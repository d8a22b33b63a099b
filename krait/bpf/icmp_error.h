/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* ICMP errors: who may send one, and by which flow it is judged. docs/flows.md, "ICMP errors". */
#pragma once

#include "krait/bpf/flow.h"
#include "krait/bpf/quoted.h"
#include "krait/bpf/snapshot.h"

static __always_inline int same_address(const __u32* a, const __u32* b) {
  return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

/*
 * Whether the sender of an ICMP error has a say in what happens to the packet that it quotes: the host that this was
 * for, its gateway or relay, or somebody in the network that it was for, behind the same host. This host may speak of
 * all that it forwards.
 */
static __always_inline int may_speak(struct scratch* scratch, int is_known) {
  struct identity* speaker = &scratch->source;
  struct identity* about = &scratch->quoted_destination;
  const __u32 host = KRAIT_ENTRY_HOST(speaker->owner);
  const int same_host = is_known && host == KRAIT_ENTRY_HOST(about->owner);
  if (!(speaker->owner & KRAIT_ENTRY_ROUTED)) {
    return host == KRAIT_THIS_HOST || same_host;
  }
  const __u32 length = covering_network(speaker, scratch->packet.tuple.source_be);
  mask_address(about->masked_be, scratch->quoted.tuple.destination_be, length);
  return same_host && same_address(speaker->masked_be, about->masked_be);
}

/*
 * An ICMP error gets the verdict of the live flow that it speaks of, so that path-MTU discovery works through a policy
 * that names no ICMP. Returns -1 when there is none, and the rules decide. One that quotes what its receiver did not
 * send, or comes from somebody with no say in it, is refused whatever they say. The end that sent the quoted packet is
 * the error's destination.
 */
static __noinline int decide_icmp_error(struct __sk_buff* skb, const struct view* view, struct scratch* scratch) {
  const struct packet* quoted = &scratch->quoted;
  struct identity* far_end = &scratch->quoted_destination;
  if (parse_quoted(skb, scratch) || !same_address(quoted->tuple.source_be, scratch->packet.tuple.destination_be)) {
    return KRAIT_REASON_ICMP_ERROR_UNRELATED;
  }
  int is_known = find_identity(view, quoted->tuple.destination_be, quoted->is_v6, far_end);
  if (is_known && same_address(quoted->tuple.destination_be, scratch->packet.tuple.source_be)) {
    *far_end = scratch->source; /* whose it turned out to be */
  }
  if (!may_speak(scratch, is_known)) {
    return KRAIT_REASON_ICMP_ERROR_UNRELATED;
  }
  if (!is_known || (!quoted->makes_flow && !quoted->can_be_reply)) {
    return -1;
  }
  const struct krait_flow* flow = find_flow(quoted, &scratch->flow);
  if (!flow || !is_live(flow, quoted->tuple.protocol, now_jiffies())) {
    return -1;
  }
  scratch->cell = is_from_initiator(&scratch->flow)
                      ? lookup_cell(view, &scratch->destination, far_end, quoted->selector)
                      : lookup_cell(view, far_end, &scratch->destination, quoted->reply_selector);
  return scratch->cell & KRAIT_CELL_ALLOW ? KRAIT_ALLOWED : KRAIT_REASON_FLOW_REVOKED;
}
