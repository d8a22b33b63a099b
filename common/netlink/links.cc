#include "common/netlink/links.h"

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cerrno>
#include <utility>

#include "common/netlink/attributes.h"

namespace netlink {

using common::Error;
using common::ErrorCode;
using common::Family;
using common::Prefix;
using common::Result;

namespace {

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

Message route_message(const RouteRequest& request, std::uint32_t index, const LinkRoute& route) {
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

Error refused_route(const char* doing, const LinkRoute& route, Error refusal) {
  if (refusal.sys_errno() == EEXIST) {
    return {ErrorCode::system, fmt::format("{} {}: this host has a route to it already", doing, route.prefix.text()),
            EEXIST};
  }
  return std::move(refusal).with_context(fmt::format("{} {}", doing, route.prefix.text()));
}

}  // namespace

Result<Links> Links::open() {
  KRAIT_TRY(auto socket, Socket::open(NETLINK_ROUTE), "talk to the kernel about links");
  return Links(std::move(socket));
}

Result<Link> Links::find(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("\"{}\" is no interface name; it takes 1 to {} characters", name, IFNAMSIZ - 1));
  }
  Message message(RTM_GETLINK, 0);
  message.put_header(link_header(0));
  message.put_text(IFLA_IFNAME, name);
  return find(std::move(message), name);
}

Result<Link> Links::find(std::uint32_t index) {
  Message message(RTM_GETLINK, 0);
  message.put_header(link_header(index));
  return find(std::move(message), fmt::format("number {}", index));
}

Result<Link> Links::find(const NewHome& home) {
  return find(moved_message(RTM_GETLINK, home), fmt::format("number {} in that namespace", home.index));
}

Result<Link> Links::find(Message message, const std::string& what) {
  message.put_number<std::uint32_t>(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  std::optional<Link> found;
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

Result<void> Links::add(const std::string& name, const std::string& kind, std::uint32_t group) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.put_header(link_header(0));
  message.put_text(IFLA_IFNAME, name);
  message.put_number(IFLA_GROUP, group);
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

Result<void> Links::remove_address(std::uint32_t index, const Address& address) {
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

Result<std::vector<Error>> Links::change_routes(std::uint32_t index, RouteChange how,
                                                const std::vector<LinkRoute>& routes) {
  const RouteRequest request = request_of(how);
  std::vector<Error> errors;
  const auto refused = [&](std::size_t i, Error refusal) -> Result<void> {
    if (how != RouteChange::remove || refusal.sys_errno() != ESRCH) {
      errors.push_back(refused_route(request.doing, routes[i], std::move(refusal)));
    }
    return {};
  };
  KRAIT_CHECK(socket_.request_each({.count = routes.size(),
                                    .build = [&](std::size_t i) { return route_message(request, index, routes[i]); },
                                    .refused = refused}));
  return errors;
}

}  // namespace netlink
