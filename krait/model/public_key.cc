#include "krait/model/public_key.h"

#include <algorithm>

#include "common/base64.h"

namespace krait::model {

std::string key_text(const PublicKey& key) { return common::to_base64(key); }

std::optional<PublicKey> parse_public_key(std::string_view text) {
  const auto bytes = common::from_base64(text);
  PublicKey key{};
  if (!bytes || bytes->size() != key.size()) {
    return std::nullopt;
  }
  std::ranges::copy(*bytes, key.begin());
  return key;
}

}  // namespace krait::model
