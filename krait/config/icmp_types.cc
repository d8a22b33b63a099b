#include "krait/config/icmp_types.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace krait::config {

namespace {

struct Named {
  std::string_view name;
  int v4;  // -1: this family has no such type
  int v6;
};

// IANA, "ICMP Type Numbers" and "ICMPv6 type Numbers". Of two names for the same types the first one is printed.
constexpr auto kNames = std::to_array<Named>({
    {"echo-request", 8, 128},
    {"echo-reply", 0, 129},
    {"destination-unreachable", 3, 1},
    {"packet-too-big", -1, 2},
    {"time-exceeded", 11, 3},
    {"parameter-problem", 12, 4},
    {"source-quench", 4, -1},
    {"redirect", 5, 137},
    {"router-advertisement", 9, 134},
    {"router-solicitation", 10, 133},
    {"timestamp-request", 13, -1},
    {"timestamp", 13, -1},
    {"timestamp-reply", 14, -1},
    {"information-request", 15, -1},
    {"information-reply", 16, -1},
    {"address-mask-request", 17, -1},
    {"address-mask-reply", 18, -1},
    {"extended-echo-request", 42, 160},
    {"extended-echo-reply", 43, 161},
    {"multicast-listener-query", -1, 130},
    {"multicast-listener-report", -1, 131},
    {"multicast-listener-done", -1, 132},
    {"multicast-listener-report-v2", -1, 143},
    {"neighbour-solicitation", -1, 135},
    {"neighbour-advertisement", -1, 136},
    {"neighbor-solicitation", -1, 135},
    {"neighbor-advertisement", -1, 136},
    {"router-renumbering", -1, 138},
    {"node-information-query", -1, 139},
    {"node-information-response", -1, 140},
});

std::optional<std::uint8_t> present(int type) {
  return type < 0 ? std::nullopt : std::optional(static_cast<std::uint8_t>(type));
}

}  // namespace

std::optional<IcmpTypes> icmp_types(std::string_view name) {
  const auto* const found = std::ranges::find(kNames, name, &Named::name);
  if (found == kNames.end()) {
    return std::nullopt;
  }
  return IcmpTypes{present(found->v4), present(found->v6)};
}

std::string_view icmp_name(std::uint8_t type) {
  const auto* const found = std::ranges::find(kNames, int{type}, &Named::v4);
  return found == kNames.end() ? std::string_view() : found->name;
}

std::string_view icmpv6_name(std::uint8_t type) {
  const auto* const found = std::ranges::find(kNames, int{type}, &Named::v6);
  return found == kNames.end() ? std::string_view() : found->name;
}

std::vector<std::string_view> icmp_names() {
  std::vector<std::string_view> names;
  std::ranges::transform(kNames, std::back_inserter(names), &Named::name);
  return names;
}

}  // namespace krait::config
