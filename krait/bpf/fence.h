/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The fence: what arrives on the host's other interfaces must not come with a peer's address, for WireGuard's check of
 * sources sees only what the tunnel carries, and services, answers and networks behind this host would take it for the
 * peer's. It is a reverse path check for the tunnel's identities, in both families. Nor may anybody outside the tunnel
 * speak, by ICMP errors, about packets that went into it.
 */
#pragma once

#include "krait/bpf/count.h"
#include "krait/bpf/parse.h"
#include "krait/bpf/report.h"
#include "krait/bpf/route.h"
#include "krait/bpf/snapshot.h"

#define FENCE_TAGS 4 /* priority tags that are followed */
#define VLAN_ID_MASK 0x0fff
#define PACKET_OTHERHOST 3 /* include/uapi/linux/if_packet.h */
#define PACKET_LOOPBACK 5

/* IPv4 networks wider than /8 and IPv6 networks wider than /7 stand for a default route, whole or in parts. */
#define FENCE_MIN_IPV4 (96 + 8)
#define FENCE_MIN_IPV6 7

static __always_inline int is_tag(__u32 protocol_be) {
  return protocol_be == bpf_htons(ETH_P_8021Q) || protocol_be == bpf_htons(ETH_P_8021AD);
}

static __always_inline int read_at(struct __sk_buff* skb, __u32 offset, void* to, __u32 bytes) {
  return (int)bpf_skb_load_bytes_relative(skb, offset, to, bytes, BPF_HDR_START_NET);
}

/*
 * The kernel takes one tag off before TC sees the packet and further ones of VLAN 0 behind it, as many as there are
 * (__netif_receive_skb_core). A packet of another VLAN comes round again on that VLAN's interface, or goes nowhere.
 */
static __noinline int skip_tags(struct __sk_buff* skb, struct outside* outside) {
  outside->protocol_be = skb->protocol;
  outside->ip_offset = 0;
  if (skb->vlan_present && skb->vlan_tci & VLAN_ID_MASK) {
    return 0;
  }
  for (int i = 0; i < FENCE_TAGS && is_tag(outside->protocol_be); i++) {
    __u16 tag_be[2];
    if (read_at(skb, outside->ip_offset, tag_be, sizeof(tag_be)) || tag_be[0] & bpf_htons(VLAN_ID_MASK)) {
      return 0;
    }
    outside->protocol_be = tag_be[1];
    outside->ip_offset += sizeof(tag_be);
  }
  return 1;
}

/* How much of the packet lies before its IP header, for counting. An IP length of 0 is BIG TCP's. */
static __always_inline __u32 bytes_before(const struct __sk_buff* skb, __u32 ip_bytes) {
  return ip_bytes != 0 && ip_bytes < skb->len ? skb->len - ip_bytes : 0;
}

static __noinline int read_ipv4(struct __sk_buff* skb, struct outside* outside, struct packet* packet) {
  struct iphdr ip;
  if (read_at(skb, outside->ip_offset, &ip, sizeof(ip))) {
    return 0;
  }
  packet->is_v6 = 0;
  packet->l3_offset = bytes_before(skb, bpf_ntohs(ip.tot_len));
  packet->tuple.protocol = ip.protocol;
  map_ipv4(packet->tuple.source_be, ip.saddr);
  map_ipv4(packet->tuple.destination_be, ip.daddr);
  packet->fragment = ip.frag_off & bpf_htons(IPV4_OFFSET_MASK) ? FRAGMENT_LATER : FRAGMENT_NONE;
  outside->is_fragment = ip.frag_off & bpf_htons(IPV4_OFFSET_MASK | IPV4_MORE_FRAGMENTS);
  outside->l4_offset = outside->ip_offset + ip.ihl * 4U;
  return 1;
}

/*
 * Steps over extension headers, and leaves tuple.protocol at what follows them: at an extension header where there are
 * too many of them, or the packet ends before.
 */
static __always_inline void skip_fence_extensions(struct __sk_buff* skb, struct outside* outside,
                                                  struct packet* packet) {
  for (int i = 0; i < MAX_EXTENSION_HEADERS; i++) {
    const __u32 next = packet->tuple.protocol;
    __u8 head[4];
    if (!is_extension(next) || packet->fragment == FRAGMENT_LATER || outside->l4_offset + 8 > outside->end ||
        read_at(skb, outside->l4_offset, head, sizeof(head))) {
      return;
    }
    packet->tuple.protocol = head[0];
    if (next == NEXT_FRAGMENT) {
      outside->is_fragment = 1;
      packet->fragment = head[2] || head[3] & 0xf8 ? FRAGMENT_LATER : FRAGMENT_NONE;
    }
    outside->l4_offset += next == NEXT_FRAGMENT ? 8 : (head[1] + 1U) * 8;
  }
}

static __noinline int read_ipv6(struct __sk_buff* skb, struct outside* outside, struct packet* packet) {
  struct ipv6hdr ip;
  if (read_at(skb, outside->ip_offset, &ip, sizeof(ip))) {
    return 0;
  }
  packet->is_v6 = 1;
  packet->l3_offset = ip.payload_len ? bytes_before(skb, sizeof(ip) + bpf_ntohs(ip.payload_len)) : 0;
  packet->tuple.protocol = ip.nexthdr;
  store_address(packet->tuple.source_be, ip.saddr.in6_u.u6_addr32);
  store_address(packet->tuple.destination_be, ip.daddr.in6_u.u6_addr32);
  packet->fragment = FRAGMENT_NONE;
  outside->is_fragment = 0;
  outside->l4_offset = outside->ip_offset + sizeof(ip);
  outside->end = ip.payload_len ? outside->l4_offset + bpf_ntohs(ip.payload_len) : skb->len;
  skip_fence_extensions(skb, outside, packet);
  return 1;
}

/* Whether packets with this address come and go by the tunnel alone, as far as `interface` is concerned; 0: any. */
static __always_inline int is_behind_tunnel(struct scratch* scratch, const struct identity* who,
                                            const __u32* address_be, __u32 interface) {
  if (who->owner & KRAIT_ENTRY_LOCAL) {
    return 0;
  }
  if (!(who->owner & KRAIT_ENTRY_ROUTED)) {
    return 1;
  }
  if (KRAIT_ENTRY_LENGTH(who->owner) < (scratch->packet.is_v6 ? FENCE_MIN_IPV6 : FENCE_MIN_IPV4)) {
    return 0;
  }
  const struct krait_way* way = find_way(scratch, who, address_be);
  return !way || (interface != 0 && !leads_through(way, interface));
}

/*
 * Whether a quoted IPv6 packet may have been for somebody else than its header says: the kernel takes the last segment
 * of a routing header (seg6_icmp_srh), wherever that stands, and sends none itself.
 */
static __always_inline int hides_destination(struct __sk_buff* skb, __u32 offset) {
  __u8 next = 0;
  if (read_at(skb, offset + 6, &next, 1) || next != NEXT_FRAGMENT) {
    return is_extension(next);
  }
  return read_at(skb, offset + sizeof(struct ipv6hdr), &next, 1) || is_extension(next);
}

enum speech { SPEECH_NONE, SPEECH_ELSEWHERE, SPEECH_TUNNEL };

/* What an ICMP error speaks about. One that comes in fragments hides that, and no honest one is so long. */
static __noinline int speech_of(struct __sk_buff* skb, const struct view* view, struct scratch* scratch) {
  const struct outside* outside = &scratch->outside;
  struct packet* packet = &scratch->packet;
  __u8 head[4] = {};
  if (packet->fragment == FRAGMENT_LATER || read_at(skb, outside->l4_offset, head, sizeof(head)) ||
      !is_icmp_error(packet->is_v6, head[0])) {
    return SPEECH_NONE;
  }
  __u32 quoted_be[4] __attribute__((aligned(8))) = {};
  if (outside->is_fragment) {
    return SPEECH_TUNNEL;
  }
  if (packet->is_v6) {
    if (hides_destination(skb, outside->l4_offset + 8)) {
      return SPEECH_TUNNEL;
    }
    if (read_at(skb, outside->l4_offset + 8 + 24, quoted_be, sizeof(quoted_be))) {
      return SPEECH_ELSEWHERE;
    }
  } else {
    if (read_at(skb, outside->l4_offset + 8 + 16, &quoted_be[3], sizeof(quoted_be[3]))) {
      return SPEECH_ELSEWHERE;
    }
    quoted_be[2] = MAPPED_PREFIX_BE;
  }
  struct identity* quoted = &scratch->quoted_destination;
  return find_identity(view, quoted_be, packet->is_v6, quoted) && is_behind_tunnel(scratch, quoted, quoted_be, 0)
             ? SPEECH_TUNNEL
             : SPEECH_ELSEWHERE;
}

/* KRAIT_ALLOWED, or why a packet may not come in on another interface than the tunnel. */
static __always_inline int judge_outside(struct __sk_buff* skb, const struct view* view, struct scratch* scratch) {
  struct packet* packet = &scratch->packet;
  const __u32* source_be = packet->tuple.source_be;
  struct identity* source = &scratch->source;
  source->tag = 0;
  const __u32 icmp = packet->is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  scratch->outside.speech = SPEECH_NONE;
  if (packet->tuple.protocol == icmp) {
    scratch->outside.speech = (__u32)speech_of(skb, view, scratch);
  }
  const int is_known = find_identity(view, source_be, packet->is_v6, source);
  /* Read back from the map, of which the verifier remembers nothing. */
  const __u32 speech = *(volatile __u32*)&scratch->outside.speech;
  if (speech == SPEECH_TUNNEL) {
    return KRAIT_REASON_ICMP_ERROR_UNRELATED;
  }
  /* The kernel follows any number of them, to whatever stands behind. */
  if (packet->is_v6 && packet->fragment != FRAGMENT_LATER && is_extension(packet->tuple.protocol)) {
    return KRAIT_REASON_EXTENSION_HEADERS;
  }
  if (!is_known) {
    return KRAIT_ALLOWED;
  }
  const __u32 is_network = source->owner & KRAIT_ENTRY_ROUTED;
  if (source->owner & KRAIT_ENTRY_LOCAL) {
    return is_network ? KRAIT_ALLOWED : KRAIT_REASON_OUTSIDE_TUNNEL;
  }
  /* A router in the underlay may have an address of such a network. */
  return (is_network && speech == SPEECH_ELSEWHERE) || !is_behind_tunnel(scratch, source, source_be, skb->ifindex)
             ? KRAIT_ALLOWED
             : KRAIT_REASON_OUTSIDE_TUNNEL;
}

/*
 * Whether an IPv4 packet on its way into the tunnel came in where its source is not. Once it is masqueraded to this
 * host's address nobody can ask any more; for an IPv6 packet that is refused, and one that keeps its source is asked on
 * its way out.
 */
static __noinline int is_astray(struct __sk_buff* skb, const struct view* view, struct scratch* scratch) {
  const struct packet* packet = &scratch->packet;
  struct identity* destination = &scratch->destination;
  if (packet->is_v6 || !find_identity(view, packet->tuple.destination_be, 0, destination) ||
      !is_behind_tunnel(scratch, destination, packet->tuple.destination_be, 0)) {
    return 0;
  }
  const struct identity* source = &scratch->source;
  if (source->tag != 0) {
    if (!(source->owner & KRAIT_ENTRY_LOCAL)) {
      return 0; /* of a peer's network, and by its way */
    }
    const struct krait_way* way = find_way(scratch, source, packet->tuple.source_be);
    return !way || !leads_through(way, skb->ifindex);
  }
  const int route = ask_route(skb, scratch, 1);
  return route != ROUTE_UNKNOWN && (route != ROUTE_FORWARDED || scratch->route.ifindex != skb->ifindex);
}

/* For the event. */
static __always_inline void read_ports(struct __sk_buff* skb, const struct outside* outside, struct packet* packet) {
  __u16 head_be[2] = {};
  if (packet->fragment != FRAGMENT_LATER) {
    read_at(skb, outside->l4_offset, head_be, sizeof(head_be));
  }
  packet->tuple.source_port_be = head_be[0];
  packet->tuple.destination_port_be = head_be[1];
  packet->icmp_type = *(__u8*)head_be;
}

static __noinline int refuse_outsider(struct __sk_buff* skb, const struct view* view, struct scratch* scratch) {
  struct packet* packet = &scratch->packet;
  read_ports(skb, &scratch->outside, packet);
  scratch->judgement.source_tag = scratch->source.tag;
  scratch->judgement.destination_tag =
      find_identity(view, packet->tuple.destination_be, packet->is_v6, &scratch->destination) ? scratch->destination.tag
                                                                                              : 0;
  scratch->cell = 0;
  count_packet(skb, packet->l3_offset, KRAIT_INGRESS, scratch);
  report(skb, KRAIT_INGRESS, scratch);
  return 0;
}

/* Whether there are ends to judge. */
static __always_inline int read_outside(struct __sk_buff* skb, struct scratch* scratch) {
  struct outside* outside = &scratch->outside;
  const __u32 protocol_be = *(volatile __u32*)&outside->protocol_be;
  if (protocol_be == bpf_htons(ETH_P_IP)) {
    return read_ipv4(skb, outside, &scratch->packet);
  }
  return protocol_be == bpf_htons(ETH_P_IPV6) && read_ipv6(skb, outside, &scratch->packet);
}

static __always_inline int fence(struct __sk_buff* skb) {
  const __u32 zero = 0;
  struct view view = {};
  struct scratch* scratch = bpf_map_lookup_elem(&krait_scratch, &zero);
  /* What is for another machine is not taken in here; what this host sends to a group comes back to it. */
  if (!scratch || skb->pkt_type == PACKET_OTHERHOST || skb->pkt_type == PACKET_LOOPBACK ||
      open_held_view(&view) != KRAIT_ALLOWED || !skip_tags(skb, &scratch->outside)) {
    return TC_ACT_UNSPEC;
  }
  if (is_tag(scratch->outside.protocol_be)) {
    return TC_ACT_SHOT;
  }
  if (!read_outside(skb, scratch)) {
    return TC_ACT_UNSPEC;
  }
  *(volatile __u32*)&scratch->judgement.reason = (__u32)judge_outside(skb, &view, scratch);
  if (*(volatile __u32*)&scratch->judgement.reason == KRAIT_ALLOWED) {
    if (!is_astray(skb, &view, scratch)) {
      return TC_ACT_UNSPEC;
    }
    *(volatile __u32*)&scratch->judgement.reason = KRAIT_REASON_REVERSE_PATH;
  }
  refuse_outsider(skb, &view, scratch);
  return TC_ACT_SHOT;
}

/*
 * On a port of a bridge or a bond. What comes in there the host takes in on the bridge's own interface, but for
 * frames to the link-local groups 01:80:c2:00:00:0x (IEEE 802.1D 7.12.6), which it takes in on the port.
 */
static __always_inline int fence_port(struct __sk_buff* skb) {
  __u32 head[2] = {};
  if (bpf_skb_load_bytes_relative(skb, 0, head, 6, BPF_HDR_START_MAC) || head[0] != bpf_htonl(0x0180c200) ||
      (head[1] & bpf_htonl(0xfff00000)) != 0) {
    return TC_ACT_UNSPEC;
  }
  return fence(skb);
}
