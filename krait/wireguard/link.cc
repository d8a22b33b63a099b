#include "krait/wireguard/link.h"

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <cerrno>
#include <utility>

namespace krait::wireguard {

using common::Error;
using common::ErrorCode;
using common::Family;
using common::Prefix;
using common::Result;

namespace {

// What the kernel gives a route without a metric: 0 in IPv4, IP6_RT_PRIO_USER (include/uapi/linux/ipv6_route.h) in
// IPv6.
std::uint32_t default_metric(Family family) { return family == Family::v4 ? 0 : 1024; }

ifinfomsg link_header(std::uint32_t index) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = static_cast<int>(index);
  return header;
}

ifaddrmsg address_header(std::uint32_t index, const Prefix& prefix) {
  ifaddrmsg header{};
  header.ifa_family = address_family(prefix.ip.family);
  header.ifa_prefixlen = prefix.length;
  header.ifa_index = index;
  return header;
}

}  // namespace

Result<Links> Links::open() {
  auto socket = Socket::open(NETLINK_ROUTE);
  if (!socket) {
    return passed_on(socket, "talk to the kernel about links");
  }
  return Links(std::move(*socket));
}

Result<LinkState> Links::find(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("\"{}\" is no interface name; it takes 1 to {} characters", name, IFNAMSIZ - 1));
  }
  Message message(RTM_GETLINK, 0);
  message.put_header(link_header(0));
  message.put_text(IFLA_IFNAME, name);
  return find(std::move(message), name);
}

Result<LinkState> Links::find(std::uint32_t index) {
  Message message(RTM_GETLINK, 0);
  message.put_header(link_header(index));
  return find(std::move(message), fmt::format("number {}", index));
}

Result<LinkState> Links::find(Message message, const std::string& name) {
  message.put_number<std::uint32_t>(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  std::optional<LinkState> found;
  auto asked = socket_.request(message, [&](const nlmsghdr& answer) {
    found = parse_link(answer);
    return Result<void>{};
  });
  if (!asked && asked.error().sys_errno() == ENODEV) {
    return Error(ErrorCode::not_found, fmt::format("there is no interface {}", name));
  }
  if (!asked) {
    return passed_on(asked, fmt::format("look up the interface {}", name));
  }
  if (!found) {
    return Error(ErrorCode::system, fmt::format("look up the interface {}: the kernel's answer is malformed", name));
  }
  return *found;
}

Result<void> Links::add(const std::string& name, const std::string& kind) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.put_header(link_header(0));
  message.put_text(IFLA_IFNAME, name);
  const auto info = message.begin_nest(IFLA_LINKINFO);
  message.put_text(IFLA_INFO_KIND, kind);
  message.end_nest(info);
  return socket_.request(message);
}

Result<void> Links::remove(std::uint32_t index) {
  Message message(RTM_DELLINK, 0);
  message.put_header(link_header(index));
  return socket_.request(message);
}

Result<void> Links::set_mtu(std::uint32_t index, std::uint32_t mtu_bytes) {
  Message message(RTM_NEWLINK, 0);
  message.put_header(link_header(index));
  message.put_number(IFLA_MTU, mtu_bytes);
  return socket_.request(message);
}

Result<void> Links::set_up(std::uint32_t index) {
  ifinfomsg header = link_header(index);
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  Message message(RTM_NEWLINK, 0);
  message.put_header(header);
  return socket_.request(message);
}

Result<std::vector<AddressState>> Links::addresses(std::uint32_t index) {
  std::vector<AddressState> found;
  for (const Family family : {Family::v4, Family::v6}) {
    Message message(RTM_GETADDR, 0);
    message.put_header(address_header(index, {.ip = {.family = family, .bytes = {}}, .length = 0}));
    const std::size_t before = found.size();
    auto read = socket_.dump(
        message, [&] { found.resize(before); },
        [&](const nlmsghdr& answer) {
          const auto address = parse_address(answer, index);
          if (address && address->prefix.ip.family == family) {
            found.push_back(*address);
          }
          return Result<void>{};
        });
    if (!read) {
      return passed_on(read, "read the interface's addresses");
    }
  }
  return found;
}

Result<void> Links::add_address(std::uint32_t index, const common::Ip& ip) {
  ifaddrmsg header = address_header(index, Prefix::host(ip));
  // Nobody else can have it here, and an address under detection cannot be a route's source.
  header.ifa_flags = ip.family == Family::v6 ? IFA_F_NODAD : 0;
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  message.put_header(header);
  message.put_ip(IFA_LOCAL, ip);
  message.put_ip(IFA_ADDRESS, ip);
  return socket_.request(message);
}

Result<void> Links::remove_address(std::uint32_t index, const AddressState& address) {
  Message message(RTM_DELADDR, 0);
  message.put_header(address_header(index, address.prefix));
  message.put_ip(IFA_LOCAL, address.prefix.ip);
  // Without it the kernel does not look at the length, and may remove the same address of another length.
  message.put_ip(IFA_ADDRESS, address.other_end);
  auto removed = socket_.request(message);
  // Removing a primary IPv4 address removes its secondary ones with it.
  if (!removed && removed.error().sys_errno() == EADDRNOTAVAIL) {
    return {};
  }
  return removed;
}

Result<std::vector<RouteState>> Links::routes(std::uint32_t index) {
  std::vector<RouteState> found;
  for (const Family family : {Family::v4, Family::v6}) {
    rtmsg header{};
    header.rtm_family = address_family(family);
    header.rtm_table = RT_TABLE_MAIN;
    Message message(RTM_GETROUTE, 0);
    message.put_header(header);
    message.put_number(RTA_OIF, index);
    const std::size_t before = found.size();
    auto read = socket_.dump(
        message, [&] { found.resize(before); },
        [&](const nlmsghdr& answer) {
          const auto route = parse_route(answer, index);
          if (route && route->prefix.ip.family == family) {
            found.push_back(*route);
          }
          return Result<void>{};
        });
    if (!read) {
      return passed_on(read, "read the interface's routes");
    }
  }
  return found;
}

Result<void> Links::change_route(Message message, std::uint32_t index, const RouteState& route) {
  rtmsg header{};
  header.rtm_family = address_family(route.prefix.ip.family);
  header.rtm_dst_len = route.prefix.length;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = route.protocol;
  header.rtm_type = RTN_UNICAST;
  header.rtm_scope = RT_SCOPE_LINK;
  message.put_header(header);
  message.put_ip(RTA_DST, route.prefix.ip);
  message.put_number(RTA_OIF, index);
  if (route.source) {
    message.put_ip(RTA_PREFSRC, *route.source);
  }
  return socket_.request(message);
}

Result<void> Links::add_route(std::uint32_t index, const RouteState& route) {
  return change_route(Message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL), index, route);
}

Result<void> Links::replace_route(std::uint32_t index, const RouteState& route) {
  return change_route(Message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE), index, route);
}

Result<void> Links::remove_route(std::uint32_t index, const RouteState& route) {
  auto removed = change_route(Message(RTM_DELROUTE, 0), index, route);
  if (!removed && removed.error().sys_errno() == ESRCH) {
    return {};
  }
  return removed;
}

Result<std::optional<Way>> Links::way_to(const common::Ip& ip) {
  rtmsg header{};
  header.rtm_family = address_family(ip.family);
  header.rtm_dst_len = ip.bits();
  Message message(RTM_GETROUTE, 0);
  message.put_header(header);
  message.put_ip(RTA_DST, ip);
  std::optional<Way> way;
  auto asked = socket_.request(message, [&](const nlmsghdr& answer) {
    way = parse_way(answer);
    return Result<void>{};
  });
  // A refusal is an answer too: unreachable, blackhole, prohibited, or a family that is switched off.
  if (!asked && asked.error().sys_errno() != 0 && asked.error().sys_errno() != EPERM) {
    return std::optional<Way>();
  }
  if (!asked) {
    return passed_on(asked, fmt::format("look up the way to {}", ip.text()));
  }
  return way;
}

std::optional<LinkState> parse_link(const nlmsghdr& message) {
  const auto header = message_header<ifinfomsg>(message);
  if (message.nlmsg_type != RTM_NEWLINK || !header) {
    return std::nullopt;
  }
  std::array<const nlattr*, IFLA_LINKINFO + 1> table{};
  find_attributes(message, sizeof *header, table);
  LinkState link;
  link.index = static_cast<std::uint32_t>(header->ifi_index);
  link.up = (header->ifi_flags & IFF_UP) != 0;
  link.mtu_bytes = attribute_value<std::uint32_t>(table[IFLA_MTU]).value_or(0);
  if (table[IFLA_LINKINFO] != nullptr) {
    std::array<const nlattr*, IFLA_INFO_KIND + 1> info{};
    find_attributes(*table[IFLA_LINKINFO], info);
    link.kind = attribute_text(info[IFLA_INFO_KIND]);
  }
  return link;
}

std::optional<AddressState> parse_address(const nlmsghdr& message, std::uint32_t index) {
  const auto header = message_header<ifaddrmsg>(message);
  if (message.nlmsg_type != RTM_NEWADDR || !header || header->ifa_index != index) {
    return std::nullopt;
  }
  const auto family = family_of(header->ifa_family);
  std::array<const nlattr*, IFA_LOCAL + 1> table{};
  find_attributes(message, sizeof *header, table);
  // IFA_ADDRESS is the other end's where IFA_LOCAL is given.
  const nlattr* own = table[IFA_LOCAL] != nullptr ? table[IFA_LOCAL] : table[IFA_ADDRESS];
  const auto ip = family ? attribute_ip(own, *family) : std::nullopt;
  if (!ip || header->ifa_prefixlen > ip->bits()) {
    return std::nullopt;
  }
  return AddressState{Prefix{*ip, header->ifa_prefixlen}, attribute_ip(table[IFA_ADDRESS], *family).value_or(*ip)};
}

std::optional<RouteState> parse_route(const nlmsghdr& message, std::uint32_t index) {
  const auto header = message_header<rtmsg>(message);
  const auto family = header ? family_of(header->rtm_family) : std::nullopt;
  if (message.nlmsg_type != RTM_NEWROUTE || !family || header->rtm_type != RTN_UNICAST) {
    return std::nullopt;
  }
  std::array<const nlattr*, RTA_TABLE + 1> table{};
  find_attributes(message, sizeof *header, table);
  if (attribute_value<std::uint32_t>(table[RTA_TABLE]).value_or(header->rtm_table) != RT_TABLE_MAIN ||
      attribute_value<std::uint32_t>(table[RTA_OIF]) != index ||
      attribute_value<std::uint32_t>(table[RTA_PRIORITY]).value_or(0) != default_metric(*family)) {
    return std::nullopt;
  }
  RouteState route{.prefix = {.ip = {.family = *family, .bytes = {}}, .length = header->rtm_dst_len},
                   .source = attribute_ip(table[RTA_PREFSRC], *family),
                   .protocol = header->rtm_protocol};
  if (table[RTA_DST] != nullptr) {
    const auto destination = attribute_ip(table[RTA_DST], *family);
    if (!destination) {
      return std::nullopt;
    }
    route.prefix.ip = *destination;
  }
  return header->rtm_dst_len <= route.prefix.ip.bits() ? std::optional(route) : std::nullopt;
}

std::optional<Way> parse_way(const nlmsghdr& message) {
  const auto header = message_header<rtmsg>(message);
  if (message.nlmsg_type != RTM_NEWROUTE || !header) {
    return std::nullopt;
  }
  std::array<const nlattr*, RTA_METRICS + 1> table{};
  find_attributes(message, sizeof *header, table);
  const auto link_index = attribute_value<std::uint32_t>(table[RTA_OIF]);
  if (!link_index) {
    return std::nullopt;
  }
  Way way{.link_index = *link_index, .mtu_bytes = {}};
  if (table[RTA_METRICS] != nullptr) {
    std::array<const nlattr*, RTAX_MTU + 1> metrics{};
    find_attributes(*table[RTA_METRICS], metrics);
    way.mtu_bytes = attribute_value<std::uint32_t>(metrics[RTAX_MTU]);
  }
  return way.mtu_bytes == 0U ? Way{way.link_index, {}} : way;
}

}  // namespace krait::wireguard
