/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The guard: drops everything. It stands behind krait's programs, at clsact's last priority; a packet that krait let
 * through never gets here, one that nobody judged does.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

SEC("tc")
int krait_guard(struct __sk_buff* skb) {
  (void)skb;
  return TC_ACT_SHOT;
}

char krait_license[] SEC("license") = "Dual BSD/GPL";
