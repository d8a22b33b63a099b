// Whether 32 bytes that somebody calls a public key are one. Whoever takes in another's key asks.
#pragma once

#include <array>
#include <cstdint>

#include "krait/crypto/sign.h"

namespace krait::crypto {

// Of X25519 (RFC 7748), as WireGuard's are. False for points of small order, all zeros among them: what is agreed on
// with them is known to everybody (section 6.1).
bool is_x25519_key(const std::array<std::uint8_t, 32>& key);

// Of Ed25519 (RFC 8032). False for what is no point, or not written as section 5.1.2 says, for points of small order,
// and outside of the main subgroup: pair_key() makes nothing of them.
bool is_ed25519_key(const VerifyKey& key);

}  // namespace krait::crypto
