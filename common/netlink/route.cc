#include "common/netlink/route.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>

#include "common/netlink/attributes.h"

namespace netlink {

using common::Family;

namespace {

static_assert(kKernelsProtocol == RTPROT_KERNEL);

// What the kernel gives a route without a metric: 0 in IPv4, IP6_RT_PRIO_USER (include/uapi/linux/ipv6_route.h) in
// IPv6.
constexpr std::uint32_t default_metric(Family family) { return family == Family::v4 ? 0 : 1024; }

RouteType route_type(std::uint8_t type) {
  switch (type) {
    case RTN_UNICAST:
      return RouteType::unicast;
    case RTN_UNREACHABLE:
    case RTN_PROHIBIT:
    case RTN_BLACKHOLE:
      return RouteType::refused;
    case RTN_THROW:
      return RouteType::elsewhere;
    default:
      return RouteType::local;
  }
}

// Of the next hops of a route that has several.
std::vector<std::uint32_t> links_of(const nlattr* multipath) {
  std::vector<std::uint32_t> links;
  auto left = multipath != nullptr ? attribute_payload(*multipath) : std::span<const std::byte>();
  while (left.size() >= sizeof(rtnexthop)) {
    rtnexthop hop;
    std::memcpy(&hop, left.data(), sizeof hop);
    if (hop.rtnh_len < sizeof hop || hop.rtnh_len > left.size()) {
      break;
    }
    links.push_back(static_cast<std::uint32_t>(hop.rtnh_ifindex));
    left = left.subspan(std::min(left.size(), aligned(hop.rtnh_len)));
  }
  return links;
}

// Of a route: what a router advertised ends by itself (net/ipv6/addrconf.c, addrconf_prefix_rcv).
bool expires(const nlattr* cache_info) {
  const auto info = attribute_value<rta_cacheinfo>(cache_info);
  return info && info->rta_expires != 0;
}

}  // namespace

std::optional<Route> parse_route(const nlmsghdr& message) {
  std::optional<Route> route;
  const auto header = message_header<rtmsg>(message);
  const auto family = header ? family_of(header->rtm_family) : std::nullopt;
  // A cached route is what a packet learnt, not what somebody set.
  if (message.nlmsg_type != RTM_NEWROUTE || !family || (header->rtm_flags & RTM_F_CLONED) != 0) {
    return route;
  }
  const auto table = find_attributes<RTA_TABLE + 1>(message, sizeof *header);
  const auto prefix = attribute_prefix(table[RTA_DST], *family, header->rtm_dst_len);
  if (!prefix) {
    return route;
  }
  route.emplace();
  route->table = attribute_value<std::uint32_t>(table[RTA_TABLE]).value_or(header->rtm_table);
  route->prefix = *prefix;
  route->type = route_type(header->rtm_type);
  route->index = attribute_value<std::uint32_t>(table[RTA_OIF]).value_or(0);
  if (route->index == 0) {
    route->next_hops = links_of(table[RTA_MULTIPATH]);
  }
  route->gateway = attribute_ip(table[RTA_GATEWAY], *family);
  route->source = attribute_ip(table[RTA_PREFSRC], *family);
  route->metric = attribute_value<std::uint32_t>(table[RTA_PRIORITY]).value_or(0);
  route->protocol = header->rtm_protocol;
  route->announced = header->rtm_protocol == RTPROT_RA || expires(table[RTA_CACHEINFO]);
  return route;
}

std::optional<LinkRoute> through_link(const Route& route, std::uint32_t index) {
  if (route.type != RouteType::unicast || route.table != RT_TABLE_MAIN || route.index != index ||
      route.metric != default_metric(route.prefix.ip.family)) {
    return std::nullopt;
  }
  return LinkRoute{.prefix = route.prefix, .source = route.source, .protocol = route.protocol};
}

std::optional<Way> parse_way(const nlmsghdr& message) {
  const auto header = message_header<rtmsg>(message);
  const auto family = header ? family_of(header->rtm_family) : std::nullopt;
  if (message.nlmsg_type != RTM_NEWROUTE || !family) {
    return std::nullopt;
  }
  const auto table = find_attributes<RTA_TABLE + 1>(message, sizeof *header);
  Way way{.reachable = route_type(header->rtm_type) != RouteType::refused,
          .index = attribute_value<std::uint32_t>(table[RTA_OIF]).value_or(0),
          .gateway = attribute_ip(table[RTA_GATEWAY], *family),
          .source = attribute_ip(table[RTA_PREFSRC], *family)};
  if (table[RTA_METRICS] != nullptr) {
    const auto metrics = find_attributes<RTAX_MTU + 1>(*table[RTA_METRICS]);
    way.mtu_bytes = attribute_value<std::uint32_t>(metrics[RTAX_MTU]).value_or(0);
  }
  return way;
}

}  // namespace netlink
