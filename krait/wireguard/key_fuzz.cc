// Fuzz target: any bytes as a key file and as a public key's text.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "krait/wireguard/wireguard.h"
#include "tests/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krait;
  using namespace krait::wireguard;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto public_key = model::parse_public_key(text);
  require(!public_key || model::key_text(*public_key) == text, "a public key's text is its only one");
  const auto key = PrivateKey::parse(text);
  if (key) {
    require(std::any_of(key->bytes(), key->bytes() + 32, [](std::uint8_t byte) { return byte != 0; }),
            "a key is not all zeros");
    require(model::parse_public_key(text.substr(0, 44)).has_value(), "a key file begins with 32 bytes in base64");
  }
  return 0;
}
