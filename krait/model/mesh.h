// This host and its peers as plain values: what krait.toml says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/ip.h"
#include "krait/model/limits.h"
#include "krait/model/policy.h"
#include "krait/model/public_key.h"

namespace krait::model {

// The name of an identity, to be looked up in the policy, and where it was written.
struct IdentityName {
  std::string name;
  Position at;
};

// A network behind a host, with an identity of its own.
struct Route {
  common::Prefix prefix;  // no host bits
  IdentityName identity;
  Position at;
};

struct Address {
  common::Ip ip;
  Position at;
};

// This host.
struct Host {
  std::string name;
  IdentityName identity;
  std::vector<Address> addresses;      // at least one
  std::vector<Route> routes;           // networks behind this host
  std::string private_key_file;        // or
  std::string private_key_credential;  // one of the two: its name among the service's credentials (systemd.exec(5))
  std::uint16_t listen_port = 51820;
  std::string interface;  // 1..15 characters, no '/' or white space
  std::string policy_file;
};

// An endpoint by its DNS name. The agent looks the address up; nothing else knows it.
struct NamedEndpoint {
  std::string name;        // letters, digits, '-', '_' and '.', 1..253 characters
  std::uint16_t port = 0;  // never 0

  [[nodiscard]] std::string text() const { return name + ":" + std::to_string(port); }
  bool operator==(const NamedEndpoint&) const = default;
};

// Of a network whose administrators want each pair of hosts to share a key: both compute it, krait/crypto/pair.h.
struct PairKeys {
  std::string file;                         // what this host computes them by
  std::array<std::uint8_t, 32> host_key{};  // Ed25519, by which the network knows this host
  std::array<std::uint8_t, 32> network{};
  bool operator==(const PairKeys&) const = default;
};

struct Peer {
  std::string name;
  IdentityName identity;
  PublicKey public_key{};
  std::optional<PublicKey> next_public_key;     // announced: the peer may go over to it at any moment
  std::optional<common::Endpoint> endpoint;     // none: by name, or it will call us
  std::optional<NamedEndpoint> named_endpoint;  // not beside `endpoint`
  std::uint16_t keepalive_s = 0;                // 0: none is sent
  std::string preshared_key_file;               // empty: none
  std::array<std::uint8_t, 32> host_key{};      // Ed25519, of a network's host; all zero: of none
  std::vector<Address> addresses;               // at least one
  std::vector<Route> routes;
  Position at;  // of its [[peer]]
};

// No two addresses or prefixes in a mesh are the same, no two peers share a name or a key.
struct Mesh {
  std::string file;       // as the user named it, for messages
  common::Digest digest;  // of the file's text
  Host host;
  std::vector<Peer> peers;
  Limits limits;
  bool is_network = false;  // that this host has joined: its peers have no preshared keys but those of pairs
  std::optional<PairKeys> pair_keys{};
};

}  // namespace krait::model
