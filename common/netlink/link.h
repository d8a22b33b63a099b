// A network interface as rtnetlink describes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

struct nlmsghdr;

namespace netlink {

struct Link {
  std::uint32_t index = 0;
  std::string name;
  std::string kind;  // "wireguard", "veth", ...; empty for a physical link
  std::uint32_t mtu_bytes = 0;
  bool up = false;
  bool loopback = false;
  std::string master_kind{};  // "bridge", "bond", "vrf", ...; empty: it belongs to no other link
  std::uint32_t group = 0;
};

// A link that went to another network namespace, as the one that it left knows it.
struct NewHome {
  std::int32_t namespace_id = 0;
  std::uint32_t index = 0;
};

// Empty when the message is of another type or malformed.
std::optional<Link> parse_link(const nlmsghdr& message);

}  // namespace netlink
