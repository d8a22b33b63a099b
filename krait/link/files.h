// Where a link keeps what it has.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "krait/wire/key_pair.h"

namespace krait::link {

inline constexpr const char* kDefaultState = "/var/lib/krait-link";

// The link's file: which network, and how it is reached. Written by join alone.
struct Membership {
  std::string name;                    // this host's
  std::vector<std::string> addresses;  // of coordinators
  wire::KeyHash server_key{};
  std::vector<std::string> endpoints;  // where peers call this host, as somebody has said
  std::uint16_t listen_port = 51820;
  bool operator==(const Membership&) const = default;
};

struct Files {
  std::string folder = kDefaultState;

  [[nodiscard]] std::string membership() const { return folder + "/network.json"; }
  [[nodiscard]] std::string key() const { return folder + "/link.pem"; }
  [[nodiscard]] std::string host_key() const { return folder + "/host-sign.key"; }  // signs changes of WireGuard's key
  [[nodiscard]] std::string offered() const { return folder + "/offered"; }         // the state for the agent to take
};

std::string membership_text(const Membership& membership);
common::Result<Membership> parse_membership(std::string_view text, const std::string& file);
// not_found, with what to do: this host has not joined.
common::Result<Membership> load_membership(const Files& files);

}  // namespace krait::link
