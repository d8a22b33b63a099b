// Routes as rtnetlink describes them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/ip.h"

struct nlmsghdr;

namespace netlink {

enum class RouteType : std::uint8_t {
  unicast,
  local,      // to this host, or broadcast, anycast, multicast
  refused,    // unreachable, prohibit, blackhole
  elsewhere,  // throw: the next routing rule decides
};

// Who made a route: the kernel itself, for the network of one of the host's own addresses (RTPROT_KERNEL,
// linux/rtnetlink.h).
inline constexpr std::uint8_t kKernelsProtocol = 2;

struct Route {
  std::uint32_t table = 0;
  common::Prefix prefix;
  RouteType type = RouteType::unicast;
  std::uint32_t index = 0;               // of the link; 0: none or several
  std::vector<std::uint32_t> next_hops;  // the links of a route that has several
  std::optional<common::Ip> gateway;
  std::optional<common::Ip> source;  // preferred source
  std::uint32_t metric = 0;
  std::uint8_t protocol = 0;  // who made it
  bool announced = false;     // by a router's advertisement: anybody on the link can send those

  [[nodiscard]] bool is_connected() const { return protocol == kKernelsProtocol; }
  // Of all its next hops; the route's own memory.
  [[nodiscard]] std::span<const std::uint32_t> links() const {
    return index != 0 ? std::span(&index, 1) : std::span(next_hops);
  }
};

// A route through one link, in the main table and with the default metric.
struct LinkRoute {
  common::Prefix prefix;
  std::optional<common::Ip> source;  // preferred source
  std::uint8_t protocol = 0;

  auto operator<=>(const LinkRoute&) const = default;
};

// Where the kernel would send a packet of this host.
struct Way {
  bool reachable = true;
  std::uint32_t index = 0;
  std::optional<common::Ip> gateway;
  std::optional<common::Ip> source;
  // That somebody gave the route; 0: the link's. What the kernel has learned of the path does not count: anybody who
  // can write a packet with another's address tells it.
  std::uint32_t mtu_bytes = 0;
};

// Readers; empty when the message is of another type or malformed. What a packet learnt is no route.
std::optional<Route> parse_route(const nlmsghdr& message);
std::optional<Way> parse_way(const nlmsghdr& message);

// The route as one through the link with that index; empty where it is none.
std::optional<LinkRoute> through_link(const Route& route, std::uint32_t index);

}  // namespace netlink
