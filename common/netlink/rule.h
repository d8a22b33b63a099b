// Routing rules as rtnetlink describes them.
#pragma once

#include <cstdint>
#include <optional>

#include "common/ip.h"

struct nlmsghdr;

namespace netlink {

enum class RuleAction : std::uint8_t { table, refuse, other };

// One of `ip rule`.
struct Rule {
  common::Family family = common::Family::v4;
  std::uint32_t priority = 0;
  RuleAction action = RuleAction::other;
  std::uint32_t table = 0;
  std::optional<common::Prefix> source;
  std::optional<common::Prefix> destination;
  bool narrowed = false;                           // by anything else: mark, interface, user, protocol, port
  bool inverted = false;                           // `not`
  std::optional<std::uint32_t> suppressed_length;  // routes of this prefix length and shorter do not count
};

// Empty when the message is of another type or malformed.
std::optional<Rule> parse_rule(const nlmsghdr& message);

}  // namespace netlink
