/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The selector: one number for "protocol and destination port" or "protocol and ICMP type". Rules are ranges of
 * selectors, packets have exactly one.
 *
 *        0 ..  65535  TCP, by destination port
 *    65536 .. 131071  UDP, by destination port
 *   131072 .. 196607  SCTP, by destination port
 *   196608 .. 196863  ICMP, by type
 *   196864 .. 197119  ICMPv6, by type
 *   197120 .. 197375  every other IP protocol, by its number
 */
#pragma once

#define KRAIT_SELECTOR_TCP 0U
#define KRAIT_SELECTOR_UDP 65536U
#define KRAIT_SELECTOR_SCTP 131072U
#define KRAIT_SELECTOR_ICMP 196608U
#define KRAIT_SELECTOR_ICMPV6 196864U
#define KRAIT_SELECTOR_PROTO 197120U
#define KRAIT_SELECTORS 197376U
