// Who a process is on the wire: a key with a certificate that it signed itself, of P-256 for hosts and coordinators, an
// administrator's own Ed25519 key for administrators. X.509 is only the key's container: nobody looks at names, dates
// or chains. Whoever is spoken to is known by the hash of its key.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/result.h"

namespace krait::wire {

// SHA-256 of the public key as X.509 has it (SubjectPublicKeyInfo, RFC 5280 4.1.2.7).
using KeyHash = std::array<std::uint8_t, 32>;

std::string hash_text(const KeyHash& hash);  // 64 digits
std::optional<KeyHash> parse_hash(std::string_view text);
// SHA-256 of any bytes.
KeyHash hash_of(std::string_view bytes);

// Both as PEM, the private key first. A secret.
struct KeyPair {
  std::string pem;
  KeyHash hash{};
};

common::Result<KeyPair> make_key_pair();
// Of an Ed25519 key (RFC 8032) by its seed, which stays the caller's to wipe. What TLS signs with it begins with 64
// spaces (RFC 8446 4.4.3), so that it is no signature for anything else.
common::Result<KeyPair> key_pair_of(std::span<const std::uint8_t, 32> seed);
// What the hash of such a key is, by its public key.
KeyHash hash_of_ed25519(std::span<const std::uint8_t, 32> public_key);
// Fails with invalid_input where the text does not hold a key of these kinds and its certificate.
common::Result<KeyPair> parse_key_pair(const std::string& pem);

// Bytes that nobody can guess. Fails with system when the kernel has none.
common::Result<std::string> random_bytes(std::size_t count);

}  // namespace krait::wire
