// The one string that a host joins with: where coordinators are, how to know them, whom to believe, and the secret that
// signs for the host. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krait/crypto/hash.h"
#include "krait/crypto/secret.h"

namespace krait::fleet {

struct JoinToken {
  std::vector<std::string> addresses;         // "192.0.2.1:7170", one to eight
  std::array<std::uint8_t, 32> server_key{};  // the hash of the coordinators' key
  crypto::Hash admin_list{};  // trust::admin_list_id() of the list that the host believes from the start
  crypto::Secret seed;        // of the token's key
};

// What an administrator who was added gets to know the network by. No secret: who has it can do nothing without an
// administrator's key.
struct Invitation {
  std::vector<std::string> addresses;
  std::array<std::uint8_t, 32> server_key{};
  crypto::Hash admin_list{};
  bool operator==(const Invitation&) const = default;
};

// "krait_network1_" and base64 for URLs.
std::string invitation_text(const Invitation& invitation);
// Any text gives an invitation or invalid_input.
common::Result<Invitation> parse_invitation(std::string_view text);

// "krait1_" and base64 for URLs. Whoever has it may join: the caller wipes it.
std::string token_text(const JoinToken& token);
// Any text gives a token or invalid_input.
common::Result<JoinToken> parse_token_text(std::string_view text);

}  // namespace krait::fleet
