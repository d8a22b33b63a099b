#include "krait/wireguard/network.h"

#include <fmt/format.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <tuple>
#include <utility>

#include "krait/wireguard/advertised.h"
#include "krait/wireguard/attributes.h"

namespace krait::wireguard {

using common::Error;
using common::Family;
using common::Ip;
using common::Prefix;
using common::Result;

namespace {

constexpr std::array kFamilies{Family::v4, Family::v6};

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

// The prefix that an attribute and a length name; without the attribute 0.0.0.0 or ::. Empty when it is malformed.
std::optional<Prefix> prefix_of(const nlattr* attribute, Family family, std::uint8_t length) {
  Prefix prefix{.ip = {.family = family, .bytes = {}}, .length = length};
  if (attribute != nullptr) {
    const auto ip = attribute_ip(attribute, family);
    if (!ip) {
      return std::nullopt;
    }
    prefix.ip = *ip;
  }
  return length <= prefix.ip.bits() ? std::optional(prefix) : std::nullopt;
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

void mark_advertised(const std::vector<AdvertisedNetwork>& advertised, std::vector<NetworkRoute>& routes) {
  std::set<std::tuple<std::array<std::uint8_t, 16>, std::uint8_t, std::uint32_t>> known;
  for (const AdvertisedNetwork& network : advertised) {
    known.emplace(network.prefix.ip.bytes, network.prefix.length, ::if_nametoindex(network.link.c_str()));
  }
  for (NetworkRoute& route : routes) {
    route.announced = route.announced || (route.prefix.ip.family == Family::v6 &&
                                          known.contains({route.prefix.ip.bytes, route.prefix.length, route.index}));
  }
}

// Dumps with `header`, for `type`, and adds what `parse` makes of each message to `found`.
template <typename Header, typename Item, typename Parse>
Result<void> dump_into(Socket& socket, std::uint16_t type, const Header& header, std::vector<Item>& found,
                       const Parse& parse) {
  Message message(type, 0);
  message.put_header(header);
  const std::size_t before = found.size();
  return socket.dump(
      message, [&] { found.resize(before); },
      [&](const nlmsghdr& answer) {
        if (auto item = parse(answer)) {
          found.push_back(std::move(*item));
        }
        return Result<void>{};
      });
}

std::string hexadecimal(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

// `as_configured`: the route that the answer comes from, instead of the answer, of which the kernel may have learned
// something.
Message way_message(const Ip& destination, bool as_configured) {
  rtmsg header{};
  header.rtm_flags = as_configured ? RTM_F_FIB_MATCH : 0;
  header.rtm_family = address_family(destination.family);
  header.rtm_dst_len = destination.bits();
  Message message(RTM_GETROUTE, 0);
  message.put_header(header);
  message.put_ip(RTA_DST, destination);
  return message;
}

// What the kernel says where no route, or one that refuses, is the answer, or a family that is switched off.
bool is_no_way(int sys_errno) {
  switch (sys_errno) {
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EACCES:
    case EINVAL:
    case EAFNOSUPPORT:
    case EOPNOTSUPP:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<Network> Network::open() {
  auto socket = Socket::open(NETLINK_ROUTE);
  if (!socket) {
    return passed_on(socket, "talk to the kernel about the network");
  }
  return Network(std::move(*socket));
}

Result<std::vector<NetworkLink>> Network::links() {
  std::vector<NetworkLink> found;
  if (auto read = dump_into(socket_, RTM_GETLINK, ifinfomsg{}, found, parse_network_link); !read) {
    return passed_on(read, "read the links");
  }
  return found;
}

Result<std::vector<NetworkAddress>> Network::addresses() {
  std::vector<NetworkAddress> found;
  if (auto read = dump_into(socket_, RTM_GETADDR, ifaddrmsg{}, found, parse_network_address); !read) {
    return passed_on(read, "read the addresses");
  }
  return found;
}

Result<std::vector<NetworkRoute>> Network::routes() {
  std::vector<NetworkRoute> found;
  for (const Family family : kFamilies) {
    rtmsg header{};
    header.rtm_family = address_family(family);
    if (auto read = dump_into(socket_, RTM_GETROUTE, header, found, parse_network_route); !read) {
      return passed_on(read, "read the routes");
    }
  }
  auto advertised = read_advertised();
  if (!advertised) {
    return passed_on(advertised, "see which routes were advertised");
  }
  mark_advertised(*advertised, found);
  return found;
}

Result<std::vector<RoutingRule>> Network::rules() {
  std::vector<RoutingRule> found;
  for (const Family family : kFamilies) {
    fib_rule_hdr header{};
    header.family = address_family(family);
    auto read = dump_into(socket_, RTM_GETRULE, header, found, parse_routing_rule);
    // A kernel without policy routing has none; EAFNOSUPPORT without IPv6.
    if (!read && read.error().sys_errno() != EOPNOTSUPP && read.error().sys_errno() != EAFNOSUPPORT) {
      return passed_on(read, "read the routing rules");
    }
  }
  return found;
}

Result<std::vector<Way>> Network::ways_to(const std::vector<Ip>& destinations) {
  auto ways = look_up(destinations, false);
  if (!ways) {
    return ways;
  }
  std::vector<Ip> with_mtu;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < ways->size(); ++i) {
    if ((*ways)[i].mtu_bytes != 0) {
      with_mtu.push_back(destinations[i]);
      places.push_back(i);
    }
  }
  auto configured = look_up(with_mtu, true);
  if (!configured) {
    return configured;
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    (*ways)[places[i]].mtu_bytes = (*configured)[i].mtu_bytes;
  }
  return ways;
}

Result<std::vector<Way>> Network::look_up(const std::vector<Ip>& destinations, bool as_configured) {
  Way nowhere;
  nowhere.reachable = false;
  std::vector<Way> ways(destinations.size(), nowhere);
  const auto answered = [&](std::size_t i, const nlmsghdr& answer) { ways[i] = parse_way(answer).value_or(nowhere); };
  const auto refused = [&](std::size_t i, Error refusal) -> Result<void> {
    if (is_no_way(refusal.sys_errno())) {
      return {};
    }
    return std::move(refusal).with_context(fmt::format("look up the route to {}", destinations[i].text()));
  };
  auto asked =
      socket_.request_each({.count = destinations.size(),
                            .build = [&](std::size_t i) { return way_message(destinations[i], as_configured); },
                            .answered = answered,
                            .refused = refused});
  return asked ? Result<std::vector<Way>>(std::move(ways)) : asked.error();
}

Result<std::vector<Qdisc>> Network::qdiscs() {
  std::vector<Qdisc> found;
  if (auto read = dump_into(socket_, RTM_GETQDISC, tcmsg{}, found, parse_qdisc); !read) {
    return passed_on(read, "read the qdiscs");
  }
  return found;
}

Result<std::vector<NetworkFilter>> Network::filters(std::uint32_t index) {
  std::vector<NetworkFilter> found;
  for (const bool ingress : {true, false}) {
    tcmsg header{};
    header.tcm_ifindex = static_cast<int>(index);
    header.tcm_parent = TC_H_MAKE(TC_H_CLSACT, ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
    auto read = dump_into(socket_, RTM_GETTFILTER, header, found,
                          [&](const nlmsghdr& answer) { return parse_filter(answer, ingress); });
    // No such parent: there is no clsact qdisc.
    if (!read && read.error().sys_errno() != EINVAL && read.error().sys_errno() != ENOENT) {
      return passed_on(read, "read the filters");
    }
  }
  return found;
}

std::optional<NetworkLink> parse_network_link(const nlmsghdr& message) {
  const auto header = message_header<ifinfomsg>(message);
  if (message.nlmsg_type != RTM_NEWLINK || !header) {
    return std::nullopt;
  }
  const auto table = find_attributes<IFLA_LINKINFO + 1>(message, sizeof *header);
  NetworkLink link;
  link.index = static_cast<std::uint32_t>(header->ifi_index);
  link.name = attribute_text(table[IFLA_IFNAME]);
  link.mtu_bytes = attribute_value<std::uint32_t>(table[IFLA_MTU]).value_or(0);
  link.up = (header->ifi_flags & IFF_UP) != 0;
  link.loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
  if (table[IFLA_LINKINFO] != nullptr) {
    const auto info = find_attributes<IFLA_INFO_SLAVE_KIND + 1>(*table[IFLA_LINKINFO]);
    link.kind = attribute_text(info[IFLA_INFO_KIND]);
    link.master_kind = attribute_text(info[IFLA_INFO_SLAVE_KIND]);
  }
  return link;
}

std::optional<NetworkAddress> parse_network_address(const nlmsghdr& message) {
  const auto header = message_header<ifaddrmsg>(message);
  const auto family = header ? family_of(header->ifa_family) : std::nullopt;
  if (message.nlmsg_type != RTM_NEWADDR || !family) {
    return std::nullopt;
  }
  const auto table = find_attributes<IFA_LOCAL + 1>(message, sizeof *header);
  const nlattr* own = table[IFA_LOCAL] != nullptr ? table[IFA_LOCAL] : table[IFA_ADDRESS];
  const auto prefix = own != nullptr ? prefix_of(own, *family, header->ifa_prefixlen) : std::nullopt;
  return prefix ? std::optional(NetworkAddress{.index = header->ifa_index, .prefix = *prefix}) : std::nullopt;
}

std::optional<NetworkRoute> parse_network_route(const nlmsghdr& message) {
  const auto header = message_header<rtmsg>(message);
  const auto family = header ? family_of(header->rtm_family) : std::nullopt;
  // A cached route is what a packet learnt, not what somebody set.
  if (message.nlmsg_type != RTM_NEWROUTE || !family || (header->rtm_flags & RTM_F_CLONED) != 0) {
    return std::nullopt;
  }
  const auto table = find_attributes<RTA_TABLE + 1>(message, sizeof *header);
  const auto prefix = prefix_of(table[RTA_DST], *family, header->rtm_dst_len);
  if (!prefix) {
    return std::nullopt;
  }
  const auto index = attribute_value<std::uint32_t>(table[RTA_OIF]).value_or(0);
  return NetworkRoute{.table = attribute_value<std::uint32_t>(table[RTA_TABLE]).value_or(header->rtm_table),
                      .prefix = *prefix,
                      .type = route_type(header->rtm_type),
                      .index = index,
                      .gateway = attribute_ip(table[RTA_GATEWAY], *family),
                      .metric = attribute_value<std::uint32_t>(table[RTA_PRIORITY]).value_or(0),
                      .connected = header->rtm_protocol == RTPROT_KERNEL,
                      .links = index != 0 ? std::vector{index} : links_of(table[RTA_MULTIPATH]),
                      .announced = header->rtm_protocol == RTPROT_RA || expires(table[RTA_CACHEINFO])};
}

std::optional<RoutingRule> parse_routing_rule(const nlmsghdr& message) {
  const auto header = message_header<fib_rule_hdr>(message);
  const auto family = header ? family_of(header->family) : std::nullopt;
  if (message.nlmsg_type != RTM_NEWRULE || !family) {
    return std::nullopt;
  }
  const auto table = find_attributes<FRA_DPORT_RANGE + 1>(message, sizeof *header);
  RoutingRule rule;
  rule.family = *family;
  rule.priority = attribute_value<std::uint32_t>(table[FRA_PRIORITY]).value_or(0);
  rule.table = attribute_value<std::uint32_t>(table[FRA_TABLE]).value_or(header->table);
  switch (header->action) {
    case FR_ACT_TO_TBL:
      rule.action = RuleAction::table;
      break;
    case FR_ACT_BLACKHOLE:
    case FR_ACT_UNREACHABLE:
    case FR_ACT_PROHIBIT:
      rule.action = RuleAction::refuse;
      break;
    default:
      rule.action = RuleAction::other;
  }
  rule.source = table[FRA_SRC] != nullptr ? prefix_of(table[FRA_SRC], *family, header->src_len) : std::nullopt;
  rule.destination = table[FRA_DST] != nullptr ? prefix_of(table[FRA_DST], *family, header->dst_len) : std::nullopt;
  for (const int type :
       {FRA_IIFNAME, FRA_OIFNAME, FRA_FWMARK, FRA_UID_RANGE, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE}) {
    rule.narrowed = rule.narrowed || table[static_cast<std::size_t>(type)] != nullptr;
  }
  rule.narrowed =
      rule.narrowed || header->tos != 0 || attribute_value<std::uint8_t>(table[FRA_L3MDEV]).value_or(0) != 0;
  rule.inverted = (header->flags & FIB_RULE_INVERT) != 0;
  const auto suppressed = attribute_value<std::uint32_t>(table[FRA_SUPPRESS_PREFIXLEN]);
  if (suppressed && *suppressed != ~0U) {
    rule.suppressed_length = suppressed;
  }
  return rule;
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

std::optional<Qdisc> parse_qdisc(const nlmsghdr& message) {
  const auto header = message_header<tcmsg>(message);
  if (message.nlmsg_type != RTM_NEWQDISC || !header) {
    return std::nullopt;
  }
  const auto table = find_attributes<TCA_OPTIONS + 1>(message, sizeof *header);
  return Qdisc{.index = static_cast<std::uint32_t>(header->tcm_ifindex),
               .kind = attribute_text(table[TCA_KIND]),
               .handle = header->tcm_handle,
               .parent = header->tcm_parent};
}

std::optional<NetworkFilter> parse_filter(const nlmsghdr& message, bool ingress) {
  const auto header = message_header<tcmsg>(message);
  // Handle 0 is the head of the filters of one priority, not one of them.
  if (message.nlmsg_type != RTM_NEWTFILTER || !header || header->tcm_handle == 0) {
    return std::nullopt;
  }
  const auto table = find_attributes<TCA_OPTIONS + 1>(message, sizeof *header);
  NetworkFilter filter{.index = static_cast<std::uint32_t>(header->tcm_ifindex),
                       .ingress = ingress,
                       .priority = TC_H_MAJ(header->tcm_info) >> 16U,
                       .handle = header->tcm_handle,
                       .kind = attribute_text(table[TCA_KIND]),
                       .program = {},
                       .program_tag = {}};
  if (filter.kind == "bpf" && table[TCA_OPTIONS] != nullptr) {
    const auto options = find_attributes<TCA_BPF_ID + 1>(*table[TCA_OPTIONS]);
    filter.program = attribute_text(options[TCA_BPF_NAME]);
    filter.program_id = attribute_value<std::uint32_t>(options[TCA_BPF_ID]).value_or(0);
    if (options[TCA_BPF_TAG] != nullptr) {
      filter.program_tag = hexadecimal(attribute_payload(*options[TCA_BPF_TAG]));
    }
  }
  return filter;
}

}  // namespace krait::wireguard
