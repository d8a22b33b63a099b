// net.ipv4.conf.all.send_redirects, which the kernel's WireGuard turns off for the whole host when an interface of its
// kind is set up (drivers/net/wireguard/device.c, wg_open), and never on again.
#pragma once

#include "common/result.h"

namespace krait::wireguard {

// Whether it is on, in the caller's network namespace; false also when it cannot be read. Blocks on /proc only.
bool sends_redirects();

// Turns it on, unless there is an interface of WireGuard's left, or it is on. Needs CAP_NET_ADMIN. Fails with what the
// kernel says (EROFS: /proc/sys is mounted so for the caller), naming the setting.
common::Result<void> send_redirects_again();

}  // namespace krait::wireguard
