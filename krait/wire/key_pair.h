// Who a process is on the wire: a P-256 key with a certificate that it signed itself. X.509 is only the key's
// container: nobody looks at names, dates or chains. Whoever is spoken to is known by the hash of its key.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
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
// Fails with invalid_input where the text does not hold a P-256 key and its certificate.
common::Result<KeyPair> parse_key_pair(const std::string& pem);

// Bytes that nobody can guess. Fails with system when the kernel has none.
common::Result<std::string> random_bytes(std::size_t count);

}  // namespace krait::wire
