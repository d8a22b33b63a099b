#include "krait/wireguard/link.h"

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cerrno>
#include <utility>

#include "krait/wireguard/attributes.h"

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

Message moved_message(std::uint16_t type, const NewHome& home) {
  Message message(type, 0);
  message.put_header(link_header(home.index));
  message.put_number(IFLA_TARGET_NETNSID, home.namespace_id);
  return message;
}

Message up_message(std::uint32_t index, unsigned flags) {
  ifinfomsg header = link_header(index);
  header.ifi_flags = flags;
  header.ifi_change = IFF_UP;
  Message message(RTM_NEWLINK, 0);
  message.put_header(header);
  return message;
}

ifaddrmsg address_header(std::uint32_t index, const Prefix& prefix) {
  ifaddrmsg header{};
  header.ifa_family = address_family(prefix.ip.family);
  header.ifa_prefixlen = prefix.length;
  header.ifa_index = index;
  return header;
}

struct RouteRequest {
  std::uint16_t type;
  std::uint16_t flags;
  const char* doing;
};

constexpr RouteRequest request_of(RouteChange how) {
  switch (how) {
    case RouteChange::add:
      return {RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, "add the route to"};
    case RouteChange::replace:
      return {RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, "replace the route to"};
    case RouteChange::remove:
      break;
  }
  return {RTM_DELROUTE, 0, "remove the route to"};
}

Message route_message(const RouteRequest& request, std::uint32_t index, const RouteState& route) {
  Message message(request.type, request.flags);
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
  return message;
}

Error refused_route(const char* doing, const RouteState& route, Error refusal) {
  if (refusal.sys_errno() == EEXIST) {
    return {ErrorCode::system,
            fmt::format("{} {}: this host has a route to it already; remove that or take the prefix from the file",
                        doing, route.prefix.text()),
            EEXIST};
  }
  return std::move(refusal).with_context(fmt::format("{} {}", doing, route.prefix.text()));
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

Result<LinkState> Links::find(const NewHome& home) {
  return find(moved_message(RTM_GETLINK, home), fmt::format("number {} in that namespace", home.index));
}

Result<LinkState> Links::find(Message message, const std::string& what) {
  message.put_number<std::uint32_t>(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  std::optional<LinkState> found;
  auto asked = socket_.request(message, [&](const nlmsghdr& answer) {
    found = parse_link(answer);
    return Result<void>{};
  });
  if (!asked && asked.error().sys_errno() == ENODEV) {
    return Error(ErrorCode::not_found, fmt::format("there is no interface {}", what));
  }
  if (!asked) {
    return passed_on(asked, fmt::format("look up the interface {}", what));
  }
  if (!found) {
    return malformed_answer().with_context(fmt::format("look up the interface {}", what));
  }
  return *found;
}

Result<void> Links::add(const std::string& name, const std::string& kind) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.put_header(link_header(0));
  message.put_text(IFLA_IFNAME, name);
  message.put_number(IFLA_GROUP, kLinkGroup);
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

Result<void> Links::remove(const NewHome& home) {
  Message message = moved_message(RTM_DELLINK, home);
  return socket_.request(message);
}

Result<void> Links::set_group(std::uint32_t index, std::uint32_t group) {
  Message message(RTM_NEWLINK, 0);
  message.put_header(link_header(index));
  message.put_number(IFLA_GROUP, group);
  return socket_.request(message);
}

Result<void> Links::set_mtu(std::uint32_t index, std::uint32_t mtu_bytes) {
  Message message(RTM_NEWLINK, 0);
  message.put_header(link_header(index));
  message.put_number(IFLA_MTU, mtu_bytes);
  return socket_.request(message);
}

Result<void> Links::set_up(std::uint32_t index) {
  Message message = up_message(index, IFF_UP);
  return socket_.request(message);
}

Result<void> Links::set_down(std::uint32_t index) {
  Message message = up_message(index, 0);
  return socket_.request(message);
}

Result<void> Links::rename(std::uint32_t index, const std::string& name) {
  Message message(RTM_NEWLINK, 0);
  message.put_header(link_header(index));
  message.put_text(IFLA_IFNAME, name);
  return socket_.request(message);
}

Result<std::uint32_t> Links::first_filter(std::uint32_t index, std::uint32_t parent) {
  tcmsg header{};
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = static_cast<int>(index);
  header.tcm_parent = parent;
  Message message(RTM_GETTFILTER, 0);
  message.put_header(header);
  std::optional<std::uint32_t> first;
  auto read = socket_.dump(
      message, [&] { first.reset(); },
      [&](const nlmsghdr& answer) {
        first = first ? first : parse_filter(answer, index);
        return Result<void>{};
      });
  // Without the clsact qdisc there is nothing to list.
  if (!read && read.error().sys_errno() != EINVAL && read.error().sys_errno() != ENOENT) {
    return passed_on(read, "list the interface's TC filters");
  }
  return first.value_or(0);
}

Result<FirstFilterPrograms> Links::first_filters(std::uint32_t index) {
  const auto ingress = first_filter(index, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS));
  const auto egress = first_filter(index, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS));
  if (!ingress || !egress) {
    return !ingress ? ingress.error() : egress.error();
  }
  return FirstFilterPrograms{.ingress_id = *ingress, .egress_id = *egress};
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

Result<void> Links::routes(std::uint32_t index, Family family, const std::function<void()>& restart,
                           const std::function<void(const RouteState&)>& handler) {
  rtmsg header{};
  header.rtm_family = address_family(family);
  header.rtm_table = RT_TABLE_MAIN;
  Message message(RTM_GETROUTE, 0);
  message.put_header(header);
  message.put_number(RTA_OIF, index);
  auto read = socket_.dump(message, restart, [&](const nlmsghdr& answer) {
    const auto route = parse_route(answer, index);
    if (route && route->prefix.ip.family == family) {
      handler(*route);
    }
    return Result<void>{};
  });
  return read ? std::move(read) : passed_on(read, "read the interface's routes");
}

Result<void> Links::change_routes(std::uint32_t index, RouteChange how, const std::vector<RouteState>& routes) {
  const RouteRequest request = request_of(how);
  const auto refused = [&](std::size_t i, Error refusal) -> Result<void> {
    if (how == RouteChange::remove && refusal.sys_errno() == ESRCH) {
      return {};
    }
    return refused_route(request.doing, routes[i], std::move(refusal));
  };
  return socket_.request_each({.count = routes.size(),
                               .build = [&](std::size_t i) { return route_message(request, index, routes[i]); },
                               .refused = refused});
}

std::optional<LinkState> parse_link(const nlmsghdr& message) {
  const auto header = message_header<ifinfomsg>(message);
  if (message.nlmsg_type != RTM_NEWLINK || !header) {
    return std::nullopt;
  }
  const auto table = find_attributes<IFLA_GROUP + 1>(message, sizeof *header);
  LinkState link;
  link.index = static_cast<std::uint32_t>(header->ifi_index);
  link.name = attribute_text(table[IFLA_IFNAME]);
  link.up = (header->ifi_flags & IFF_UP) != 0;
  link.mtu_bytes = attribute_value<std::uint32_t>(table[IFLA_MTU]).value_or(0);
  link.group = attribute_value<std::uint32_t>(table[IFLA_GROUP]).value_or(0);
  if (table[IFLA_LINKINFO] != nullptr) {
    const auto info = find_attributes<IFLA_INFO_KIND + 1>(*table[IFLA_LINKINFO]);
    link.kind = attribute_text(info[IFLA_INFO_KIND]);
  }
  return link;
}

std::optional<std::uint32_t> parse_filter(const nlmsghdr& message, std::uint32_t index) {
  const auto header = message_header<tcmsg>(message);
  // The entry of a priority as a whole comes first and has no handle.
  if (message.nlmsg_type != RTM_NEWTFILTER || !header || static_cast<std::uint32_t>(header->tcm_ifindex) != index ||
      header->tcm_handle == 0) {
    return std::nullopt;
  }
  const auto table = find_attributes<TCA_OPTIONS + 1>(message, sizeof *header);
  if (attribute_text(table[TCA_KIND]) != "bpf" || table[TCA_OPTIONS] == nullptr) {
    return 0;
  }
  const auto options = find_attributes<TCA_BPF_ID + 1>(*table[TCA_OPTIONS]);
  return attribute_value<std::uint32_t>(options[TCA_BPF_ID]).value_or(0);
}

std::optional<AddressState> parse_address(const nlmsghdr& message, std::uint32_t index) {
  const auto header = message_header<ifaddrmsg>(message);
  if (message.nlmsg_type != RTM_NEWADDR || !header || header->ifa_index != index) {
    return std::nullopt;
  }
  const auto family = family_of(header->ifa_family);
  const auto table = find_attributes<IFA_LOCAL + 1>(message, sizeof *header);
  // IFA_ADDRESS is the other end's where IFA_LOCAL is given.
  const nlattr* own = table[IFA_LOCAL] != nullptr ? table[IFA_LOCAL] : table[IFA_ADDRESS];
  const auto ip = family ? attribute_ip(own, *family) : std::nullopt;
  if (!ip || header->ifa_prefixlen > ip->bits()) {
    return std::nullopt;
  }
  return AddressState{Prefix{*ip, header->ifa_prefixlen}, attribute_ip(table[IFA_ADDRESS], *family).value_or(*ip)};
}

std::optional<RouteState> parse_route(const nlmsghdr& message, std::uint32_t index) {
  std::optional<RouteState> route;
  const auto header = message_header<rtmsg>(message);
  const auto family = header ? family_of(header->rtm_family) : std::nullopt;
  if (message.nlmsg_type != RTM_NEWROUTE || !family || header->rtm_type != RTN_UNICAST) {
    return route;
  }
  const auto table = find_attributes<RTA_TABLE + 1>(message, sizeof *header);
  if (attribute_value<std::uint32_t>(table[RTA_TABLE]).value_or(header->rtm_table) != RT_TABLE_MAIN ||
      attribute_value<std::uint32_t>(table[RTA_OIF]) != index ||
      attribute_value<std::uint32_t>(table[RTA_PRIORITY]).value_or(0) != default_metric(*family)) {
    return route;
  }
  route.emplace(Prefix{.ip = {.family = *family, .bytes = {}}, .length = header->rtm_dst_len},
                attribute_ip(table[RTA_PREFSRC], *family), header->rtm_protocol);
  if ((table[RTA_DST] != nullptr && !read_ip(table[RTA_DST], route->prefix.ip)) ||
      route->prefix.length > route->prefix.ip.bits()) {
    route.reset();
  }
  return route;
}

}  // namespace krait::wireguard
