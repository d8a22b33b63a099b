#include "krait/fleet/join_token.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "common/base64.h"
#include "common/ip.h"

namespace krait::fleet {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::string_view kStart = "krait1_";
constexpr std::string_view kInvitationStart = "krait_network1_";
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

using Part = std::array<std::uint8_t, kPartBytes>;

std::string packed(std::string_view start, std::initializer_list<const Part*> parts,
                   const std::vector<std::string>& addresses) {
  std::vector<std::uint8_t> bytes;
  for (const Part* part : parts) {
    bytes.insert(bytes.end(), part->begin(), part->end());
  }
  const std::string text = fmt::format("{}", fmt::join(addresses, ","));
  bytes.insert(bytes.end(), text.begin(), text.end());
  return std::string(start) + to_url(common::to_base64(bytes));
}

template <std::size_t Count>
struct Unpacked {
  std::array<Part, Count> parts{};
  std::vector<std::string> addresses{};
};

template <std::size_t Count>
Result<Unpacked<Count>> unpacked(std::string_view text, std::string_view start, const Error& wrong) {
  if (!text.starts_with(start) || text.size() > kMaxTextBytes) {
    return wrong;
  }
  const auto bytes = common::from_base64(from_url(std::string(text.substr(start.size()))));
  if (!bytes || bytes->size() <= Count * kPartBytes) {
    return wrong;
  }
  Unpacked<Count> all;
  for (std::size_t i = 0; i < Count; ++i) {
    std::copy_n(bytes->begin() + static_cast<std::ptrdiff_t>(i * kPartBytes), kPartBytes, all.parts[i].begin());
  }
  const std::string rest(bytes->begin() + Count * kPartBytes, bytes->end());
  for (std::size_t at = 0; at <= rest.size();) {
    const std::size_t end = std::min(rest.find(',', at), rest.size());
    std::string address = rest.substr(at, end - at);
    if (!common::Endpoint::parse(address) || all.addresses.size() == kMaxAddresses) {
      return wrong;
    }
    all.addresses.push_back(std::move(address));
    at = end + 1;
  }
  return all;
}

}  // namespace

std::string token_text(const JoinToken& token) {
  return packed(kStart, {&token.server_key, &token.admin_list, &token.seed.bytes()}, token.addresses);
}

Result<JoinToken> parse_token_text(std::string_view text) {
  KRAIT_TRY(auto all, unpacked<3>(text, kStart, wrong()));
  return JoinToken{.addresses = std::move(all.addresses),
                   .server_key = all.parts[0],
                   .admin_list = all.parts[1],
                   .seed = crypto::Secret::of(all.parts[2])};
}

std::string invitation_text(const Invitation& invitation) {
  return packed(kInvitationStart, {&invitation.server_key, &invitation.admin_list}, invitation.addresses);
}

Result<Invitation> parse_invitation(std::string_view text) {
  KRAIT_TRY(auto all, unpacked<2>(text, kInvitationStart,
                                  Error(ErrorCode::invalid_input,
                                        "this is no invitation, or a part of one; krait-coordinator admin invite "
                                        "prints one as a single word")));
  return Invitation{.addresses = std::move(all.addresses), .server_key = all.parts[0], .admin_list = all.parts[1]};
}

}  // namespace krait::fleet
