// What names, paths and addresses may look like.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>
#include <variant>

#include "common/ip.h"
#include "krait/config/findings.h"
#include "krait/model/mesh.h"

namespace krait::config {

// Each says what is wrong, or nothing.

// Of an identity, a host or a peer: 1..63 of A-Z a-z 0-9 . _ -, the first a letter or digit.
std::optional<Fault> check_name(std::string_view name);
// Of a rule: 1..128 printable characters.
std::optional<Fault> check_rule_name(std::string_view name);
// Of a network interface: what the kernel takes (dev_valid_name in net/core/dev.c), without its pattern character %.
std::optional<Fault> check_interface(std::string_view name);
// Not empty, no control characters.
std::optional<Fault> check_path(std::string_view path);

// An address of a host in the mesh.
std::expected<common::Ip, Fault> read_address(std::string_view text);
// A network behind a host: no host bits.
std::expected<common::Prefix, Fault> read_prefix(std::string_view text);
// Where WireGuard calls a peer: an address, or a host name (RFC 1123 2.1, with '_') to be looked up.
using PeerEndpoint = std::variant<common::Endpoint, model::NamedEndpoint>;
std::expected<PeerEndpoint, Fault> read_endpoint(std::string_view text);
// 32 bytes in base64 (RFC 4648), not all zero.
std::expected<model::PublicKey, Fault> read_public_key(std::string_view text);

}  // namespace krait::config
