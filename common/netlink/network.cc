#include "common/netlink/network.h"

#include <fmt/format.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <cerrno>
#include <set>
#include <tuple>
#include <utility>

#include "common/netlink/advertised.h"
#include "common/netlink/attributes.h"

namespace netlink {

using common::Error;
using common::Family;
using common::Ip;
using common::Result;

namespace {

constexpr std::array kFamilies{Family::v4, Family::v6};

void mark_advertised(const std::vector<AdvertisedNetwork>& advertised, std::vector<Route>& routes) {
  std::set<std::tuple<std::array<std::uint8_t, 16>, std::uint8_t, std::uint32_t>> known;
  for (const AdvertisedNetwork& network : advertised) {
    known.emplace(network.prefix.ip.bytes, network.prefix.length, ::if_nametoindex(network.link.c_str()));
  }
  for (Route& route : routes) {
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
  KRAIT_TRY(auto socket, Socket::open(NETLINK_ROUTE), "talk to the kernel about the network");
  return Network(std::move(socket));
}

Result<std::vector<Link>> Network::links() {
  std::vector<Link> found;
  KRAIT_CHECK(dump_into(socket_, RTM_GETLINK, ifinfomsg{}, found, parse_link), "read the links");
  return found;
}

Result<std::vector<Address>> Network::addresses() {
  std::vector<Address> found;
  KRAIT_CHECK(dump_into(socket_, RTM_GETADDR, ifaddrmsg{}, found, parse_address), "read the addresses");
  return found;
}

Result<std::vector<Address>> Network::addresses(std::uint32_t index) {
  std::vector<Address> found;
  for (const Family family : kFamilies) {
    ifaddrmsg header{};
    header.ifa_family = address_family(family);
    header.ifa_index = index;
    KRAIT_CHECK(dump_into(socket_, RTM_GETADDR, header, found, parse_address), "read the interface's addresses");
  }
  std::erase_if(found, [&](const Address& address) { return address.index != index; });
  return found;
}

Result<std::vector<Route>> Network::routes() {
  std::vector<Route> found;
  for (const Family family : kFamilies) {
    rtmsg header{};
    header.rtm_family = address_family(family);
    KRAIT_CHECK(dump_into(socket_, RTM_GETROUTE, header, found, parse_route), "read the routes");
  }
  KRAIT_TRY(auto advertised, read_advertised(), "see which routes were advertised");
  mark_advertised(advertised, found);
  return found;
}

Result<void> Network::routes(std::uint32_t index, Family family, const std::function<void()>& restart,
                             const std::function<void(const LinkRoute&)>& handler) {
  rtmsg header{};
  header.rtm_family = address_family(family);
  header.rtm_table = RT_TABLE_MAIN;
  Message message(RTM_GETROUTE, 0);
  message.put_header(header);
  message.put_number(RTA_OIF, index);
  auto read = socket_.dump(message, restart, [&](const nlmsghdr& answer) {
    const auto route = parse_route(answer);
    const auto through = route ? through_link(*route, index) : std::nullopt;
    if (through && through->prefix.ip.family == family) {
      handler(*through);
    }
    return Result<void>{};
  });
  return read ? std::move(read) : passed_on(read, "read the interface's routes");
}

Result<std::vector<Rule>> Network::rules() {
  std::vector<Rule> found;
  for (const Family family : kFamilies) {
    fib_rule_hdr header{};
    header.family = address_family(family);
    auto read = dump_into(socket_, RTM_GETRULE, header, found, parse_rule);
    // A kernel without policy routing has none; EAFNOSUPPORT without IPv6.
    if (!read && read.error().sys_errno() != EOPNOTSUPP && read.error().sys_errno() != EAFNOSUPPORT) {
      return passed_on(read, "read the routing rules");
    }
  }
  return found;
}

Result<std::vector<Way>> Network::ways_to(const std::vector<Ip>& destinations) {
  KRAIT_TRY(auto ways, look_up(destinations, false));
  std::vector<Ip> with_mtu;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < ways.size(); ++i) {
    if (ways[i].mtu_bytes != 0) {
      with_mtu.push_back(destinations[i]);
      places.push_back(i);
    }
  }
  KRAIT_TRY(auto configured, look_up(with_mtu, true));
  for (std::size_t i = 0; i < places.size(); ++i) {
    ways[places[i]].mtu_bytes = configured[i].mtu_bytes;
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
  KRAIT_CHECK(socket_.request_each({.count = destinations.size(),
                                    .build = [&](std::size_t i) { return way_message(destinations[i], as_configured); },
                                    .answered = answered,
                                    .refused = refused}));
  return ways;
}

Result<std::vector<Qdisc>> Network::qdiscs() {
  std::vector<Qdisc> found;
  KRAIT_CHECK(dump_into(socket_, RTM_GETQDISC, tcmsg{}, found, parse_qdisc), "read the qdiscs");
  return found;
}

Result<std::vector<Filter>> Network::filters(std::uint32_t index) {
  std::vector<Filter> found;
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

}  // namespace netlink
