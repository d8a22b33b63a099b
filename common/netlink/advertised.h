// The networks that router advertisements put on a link, as the kernel itself keeps them. rtnetlink shows such a route
// as the kernel's own, and one that is advertised for ever in no way differs there from the network of a configured
// address.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ip.h"
#include "common/result.h"

namespace netlink {

struct AdvertisedNetwork {
  common::Prefix prefix;
  std::string link;  // its name
  bool operator==(const AdvertisedNetwork&) const = default;
};

// A line of ipv6_route (net/ipv6/ip6_fib.c, ipv6_route_native_seq_show). Empty when the route is not from an
// advertisement, or the line is none of that kind.
std::optional<AdvertisedNetwork> parse_advertised(std::string_view line);

// Of all routing tables of the caller's network namespace; none where the kernel has no IPv6. Blocks for the kernel's
// answer only.
common::Result<std::vector<AdvertisedNetwork>> read_advertised();

}  // namespace netlink
