// The names of ICMP and ICMPv6 types.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace krait::config {

// The types of one name; at least one of them is there.
struct IcmpTypes {
  std::optional<std::uint8_t> v4;
  std::optional<std::uint8_t> v6;
};

std::optional<IcmpTypes> icmp_types(std::string_view name);
// The name of a type, or empty.
std::string_view icmp_name(std::uint8_t type);
std::string_view icmpv6_name(std::uint8_t type);
// For "did you mean".
std::vector<std::string_view> icmp_names();

}  // namespace krait::config
