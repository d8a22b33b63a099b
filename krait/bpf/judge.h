/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* From a parsed packet and the two identities to the verdict. */
#pragma once

#include "krait/bpf/flow.h"
#include "krait/bpf/parse.h"
#include "krait/bpf/snapshot.h"

static __always_inline int denied(__u32 cell) {
  if (cell & KRAIT_CELL_EXPIRED) {
    return KRAIT_REASON_RULE_EXPIRED;
  }
  return cell & KRAIT_CELL_RULE ? KRAIT_REASON_DENIED_BY_RULE : KRAIT_REASON_NO_RULE;
}

/* May `from` open `selector` to `to`? */
static __always_inline __u32 ask(const struct view* view, const struct identity* from, const struct identity* to,
                                 __u32 selector) {
  return evaluate(view, from->source_class, to->destination_class, selector);
}

/*
 * Judges by the policy and the flow table; scratch->cell becomes the deciding cell. The policy is asked on every
 * packet; the table only says whether the packet answers somebody.
 */
static __always_inline int judge(const struct view* view, struct scratch* scratch) {
  const struct packet* packet = &scratch->packet;
  const __u32 own = ask(view, &scratch->source, &scratch->destination, packet->selector);
  const __u32 own_allowed = own & KRAIT_CELL_ALLOW;
  scratch->cell = own;
  if (!packet->makes_flow && !packet->can_be_reply) {
    scratch->opened = 1;
    return own_allowed ? KRAIT_ALLOWED : denied(own);
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
  const __u32 reverse = answers ? ask(view, &scratch->destination, &scratch->source, packet->reply_selector) : 0;
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
    return denied(own);
  }
  scratch->cell = reverse;
  if (!answer_allowed) {
    return KRAIT_REASON_FLOW_REVOKED;
  }
  refresh_flow(flow, scratch, now);
  return KRAIT_ALLOWED;
}

/* What quoted headers say of the tuple. `head` holds 8 bytes of the transport header. */
static __always_inline void classify_quoted(struct packet* quoted, const __u8* head) {
  if (has_ports(quoted->tuple.protocol)) {
    classify_ports(quoted, *(__u16*)&head[0], *(__u16*)&head[2]);
  } else if (is_own_icmp(quoted)) {
    classify_icmp(quoted, head[0], *(__u16*)&head[4]);
  } else {
    classify_protocol(quoted);
  }
}

static __always_inline int read_quoted_ipv4(struct __sk_buff* skb, struct packet* quoted) {
  struct iphdr ip;
  if (bpf_skb_load_bytes(skb, quoted->l4_offset, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5 ||
      (bpf_ntohs(ip.frag_off) & IPV4_OFFSET_MASK) != 0) {
    return -1;
  }
  map_ipv4(quoted->tuple.source_be, ip.saddr);
  map_ipv4(quoted->tuple.destination_be, ip.daddr);
  quoted->tuple.protocol = ip.protocol;
  quoted->l4_offset += ip.ihl * 4U;
  return 0;
}

static __always_inline int read_quoted_ipv6(struct __sk_buff* skb, struct packet* quoted) {
  struct ipv6hdr ip;
  if (bpf_skb_load_bytes(skb, quoted->l4_offset, &ip, sizeof(ip)) || ip.version != 6) {
    return -1;
  }
  __builtin_memcpy(quoted->tuple.source_be, &ip.saddr, 16);
  __builtin_memcpy(quoted->tuple.destination_be, &ip.daddr, 16);
  quoted->tuple.protocol = ip.nexthdr;
  quoted->l4_offset += sizeof(ip);
  quoted->l4_bytes -= sizeof(ip);
  return skip_extensions(skb, quoted) != KRAIT_ALLOWED || quoted->fragment == FRAGMENT_LATER ? -1 : 0;
}

/* Parses the packet that an ICMP error quotes; at least 8 bytes of its transport header are there (RFC 792, RFC 4443).
 */
static __noinline int parse_quoted(struct __sk_buff* skb, struct scratch* scratch) {
  const struct packet* outer = &scratch->packet;
  struct packet* quoted = &scratch->quoted;
  const __u32 end = outer->l4_offset + outer->l4_bytes;
  __u8 head[8];
  if (outer->l4_bytes < 8 + sizeof(struct ipv6hdr) && outer->is_v6) {
    return -1;
  }
  __builtin_memset(quoted, 0, sizeof(*quoted));
  quoted->is_v6 = outer->is_v6;
  quoted->is_quoted = 1;
  quoted->l4_offset = outer->l4_offset + 8;
  quoted->l4_bytes = outer->l4_bytes - 8;
  if (outer->is_v6 ? read_quoted_ipv6(skb, quoted) : read_quoted_ipv4(skb, quoted)) {
    return -1;
  }
  if (quoted->l4_offset + sizeof(head) > end || bpf_skb_load_bytes(skb, quoted->l4_offset, head, sizeof(head))) {
    return -1;
  }
  classify_quoted(quoted, head);
  return 0;
}

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
static __noinline int judge_icmp_error(struct __sk_buff* skb, const struct view* view, struct scratch* scratch) {
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
  scratch->cell = is_from_initiator(&scratch->flow) ? ask(view, &scratch->destination, far_end, quoted->selector)
                                                    : ask(view, far_end, &scratch->destination, quoted->reply_selector);
  return scratch->cell & KRAIT_CELL_ALLOW ? KRAIT_ALLOWED : KRAIT_REASON_FLOW_REVOKED;
}

static __always_inline void make_fragment_key(struct scratch* scratch) {
  struct krait_fragment_key* key = &scratch->fragment_key;
  copy_address(key->source_be, scratch->packet.tuple.source_be);
  copy_address(key->destination_be, scratch->packet.tuple.destination_be);
  key->id_be = scratch->packet.fragment_id_be;
  key->protocol = scratch->packet.is_v6 ? 0 : scratch->packet.tuple.protocol;
}

static __noinline int remember_fragment(struct scratch* scratch) {
  const struct packet* packet = &scratch->packet;
  const struct krait_fragment seen = {
      .seen_jiffies = now_jiffies(),
      .source_port_be = packet->tuple.source_port_be,
      .destination_port_be = packet->tuple.destination_port_be,
      .protocol = (__u8)packet->tuple.protocol,
      .icmp_type = packet->icmp_type,
  };
  make_fragment_key(scratch);
  bpf_map_update_elem(&krait_frags, &scratch->fragment_key, &seen, BPF_ANY);
  return 0;
}

/* Gives a later fragment what its first fragment said. */
static __noinline int recall_fragment(struct scratch* scratch) {
  struct packet* packet = &scratch->packet;
  make_fragment_key(scratch);
  const struct krait_fragment* first = bpf_map_lookup_elem(&krait_frags, &scratch->fragment_key);
  if (!first || silence(now_jiffies(), first->seen_jiffies) > KRAIT_FRAGMENT_S * krait_hz) {
    return KRAIT_REASON_FRAGMENT_UNKNOWN;
  }
  /* An IPv6 one may call itself something else: reassembly goes by what the first says (RFC 8200 4.5). */
  if (first->protocol == IPPROTO_TCP && packet->fragment_offset == 8) {
    return KRAIT_REASON_FRAGMENT_OVERLAP;
  }
  packet->tuple.protocol = first->protocol;
  packet->tcp_flags = TCP_ACK; /* anything but a SYN: the flags were in the first fragment */
  if (has_ports(first->protocol)) {
    classify_ports(packet, first->source_port_be, first->destination_port_be);
  } else if (is_own_icmp(packet)) {
    classify_icmp(packet, first->icmp_type, first->source_port_be);
    packet->is_icmp_error = 0; /* what it quotes was in the first fragment */
  } else {
    classify_protocol(packet);
  }
  return KRAIT_ALLOWED;
}
