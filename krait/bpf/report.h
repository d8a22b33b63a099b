/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Events for people: what was dropped, and what was opened by a rule that logs. */
#pragma once

#include "krait/bpf/flow.h"

/* Whether this CPU may report once more for the reason in this second. */
static __always_inline int may_report(struct krait_event_rate* rate) {
  const __u64 now = now_jiffies();
  if (silence(now, rate->since_jiffies) >= krait_hz) {
    rate->since_jiffies = now;
    rate->sent = 0;
  }
  if (rate->sent >= KRAIT_EVENTS_A_SECOND) {
    rate->suppressed++;
    return 0;
  }
  rate->sent++;
  return 1;
}

static __always_inline void fill_event(struct krait_event* event, const struct scratch* scratch) {
  const struct packet* packet = &scratch->packet;
  event->boot_ns = bpf_ktime_get_boot_ns();
  copy_address(event->source_be, packet->tuple.source_be);
  copy_address(event->destination_be, packet->tuple.destination_be);
  event->source_tag = scratch->judgement.source_tag;
  event->destination_tag = scratch->judgement.destination_tag;
  event->rule = scratch->cell & KRAIT_CELL_RULE;
  event->source_port_be = packet->tuple.source_port_be;
  event->destination_port_be = packet->tuple.destination_port_be;
  event->protocol = (__u8)packet->tuple.protocol;
  event->icmp_type = packet->icmp_type;
  event->reason = (__u8)scratch->judgement.reason;
}

static __noinline int report(struct __sk_buff* skb, __u32 direction, struct scratch* scratch) {
  const __u32 reason = scratch->judgement.reason;
  struct krait_event_rate* rate = bpf_map_lookup_elem(&krait_event_rates, &reason);
  if (!rate || !may_report(rate)) {
    return 0;
  }
  struct krait_event* event = bpf_ringbuf_reserve(&krait_events, sizeof(*event), 0);
  if (!event) {
    rate->suppressed++; /* nobody reads */
    return 0;
  }
  fill_event(event, scratch);
  event->interface = skb->ifindex;
  event->bytes = skb->len;
  event->direction = (__u8)direction;
  event->suppressed = rate->suppressed;
  rate->suppressed = 0;
  bpf_ringbuf_submit(event, 0);
  return 0;
}
