// An address of an interface as rtnetlink describes it.
#pragma once

#include <cstdint>
#include <optional>

#include "common/ip.h"

struct nlmsghdr;

namespace netlink {

struct Address {
  std::uint32_t index = 0;  // of the link
  common::Prefix prefix;    // host bits kept
  common::Ip other_end;     // of a point-to-point link; else the address itself

  bool operator==(const Address&) const = default;
};

// Empty when the message is of another type or malformed.
std::optional<Address> parse_address(const nlmsghdr& message);

}  // namespace netlink
