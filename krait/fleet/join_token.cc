#include "krait/fleet/join_token.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/base64.h"
#include "common/ip.h"

namespace krait::fleet {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::string_view kStart = "krait1_";
constexpr std::size_t kPartBytes = 32;
constexpr std::size_t kMaxTextBytes = 1024;
constexpr std::size_t kMaxAddresses = 8;

Error wrong() {
  return {ErrorCode::invalid_input,
          "this is no token, or a part of one; krait-coordinator token create prints one as a single word"};
}

// RFC 4648 section 5, without padding.
std::string to_url(std::string text) {
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  text.erase(std::ranges::find(text, '='), text.end());
  return text;
}
std::string from_url(std::string text) {
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

}  // namespace

std::string token_text(const JoinToken& token) {
  std::vector<std::uint8_t> bytes;
  for (const auto* part : {&token.server_key, &token.admin_list, &token.seed.bytes()}) {
    bytes.insert(bytes.end(), part->begin(), part->end());
  }
  const std::string addresses = fmt::format("{}", fmt::join(token.addresses, ","));
  bytes.insert(bytes.end(), addresses.begin(), addresses.end());
  return std::string(kStart) + to_url(common::to_base64(bytes));
}

Result<JoinToken> parse_token_text(std::string_view text) {
  if (!text.starts_with(kStart) || text.size() > kMaxTextBytes) {
    return wrong();
  }
  auto bytes = common::from_base64(from_url(std::string(text.substr(kStart.size()))));
  if (!bytes || bytes->size() <= 3 * kPartBytes) {
    return wrong();
  }
  std::array<std::array<std::uint8_t, kPartBytes>, 3> parts{};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::copy_n(bytes->begin() + static_cast<std::ptrdiff_t>(i * kPartBytes), kPartBytes, parts[i].begin());
  }
  JoinToken token{
      .addresses = {}, .server_key = parts[0], .admin_list = parts[1], .seed = crypto::Secret::of(parts[2])};
  std::string rest(bytes->begin() + 3 * kPartBytes, bytes->end());
  for (std::size_t at = 0; at <= rest.size();) {
    const std::size_t end = std::min(rest.find(',', at), rest.size());
    std::string address = rest.substr(at, end - at);
    if (!common::Endpoint::parse(address) || token.addresses.size() == kMaxAddresses) {
      return wrong();
    }
    token.addresses.push_back(std::move(address));
    at = end + 1;
  }
  return token;
}

}  // namespace krait::fleet
