#include "tests/differential/sandbox.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "tests/differential/random_routing.h"

namespace krait::differential {
namespace {

using common::Error;
using common::Fd;
using common::Result;

constexpr std::array kNames = {"guarded", "lan", "wan"};

Result<void> write_setting(const std::string& path, bool on) {
  std::ofstream file("/proc/sys/net/" + path);
  if (!(file << (on ? 1 : 0) << std::flush)) {
    return Error::from_errno(errno, "write /proc/sys/net/" + path);
  }
  return {};
}

Result<void> bring_up(const Fd& socket, const char* name, std::uint32_t index) {
  ifreq request{};
  std::strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
  request.ifr_flags = IFF_UP;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0 || ::ioctl(socket.get(), SIOCGIFINDEX, &request) != 0) {
    return Error::from_errno(errno, std::string("bring up ") + name);
  }
  if (static_cast<std::uint32_t>(request.ifr_ifindex) != index) {
    return Error(common::ErrorCode::system, std::string("another index than expected has ") + name);
  }
  return {};
}

Result<Fd> make_tun(const char* name) {
  Fd tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  ifreq request{};
  std::strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (!tun.valid() || ::ioctl(tun.get(), TUNSETIFF, &request) != 0) {
    return Error::from_errno(errno, std::string("make the TUN ") + name);
  }
  return tun;
}

// A route's request, with its attributes behind it.
struct Request {
  nlmsghdr head{};
  rtmsg route{};
  std::array<std::byte, 64> attributes{};

  void add(std::uint16_t type, const void* value, std::size_t bytes) {
    auto* attribute = reinterpret_cast<rtattr*>(reinterpret_cast<std::byte*>(this) + head.nlmsg_len);
    attribute->rta_type = type;
    attribute->rta_len = static_cast<std::uint16_t>(RTA_LENGTH(bytes));
    std::memcpy(RTA_DATA(attribute), value, bytes);
    head.nlmsg_len += RTA_SPACE(bytes);
  }
};

// What keeps or refuses a packet has several names; all are tried.
std::uint8_t route_type(const naive::Route& route) {
  const bool v4 = route.to.ip.family == common::Family::v4;
  const bool other = route.to.ip.bytes[3] % 2 != 0;
  switch (route.kind) {
    case naive::Route::Kind::interface:
      return RTN_UNICAST;
    case naive::Route::Kind::kept:
      return !other ? RTN_LOCAL : v4 ? RTN_BROADCAST : RTN_ANYCAST;
    case naive::Route::Kind::refused:
      break;
  }
  return route.to.length % 2 != 0 ? RTN_BLACKHOLE : other ? RTN_PROHIBIT : RTN_UNREACHABLE;
}

Request request_for(std::uint16_t type, const naive::Route& route) {
  const bool v4 = route.to.ip.family == common::Family::v4;
  Request request;
  request.head.nlmsg_len = NLMSG_LENGTH(sizeof(rtmsg));
  request.head.nlmsg_type = type;
  request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.head.nlmsg_flags |= type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_EXCL : 0;
  request.route.rtm_family = v4 ? AF_INET : AF_INET6;
  request.route.rtm_dst_len = route.to.length;
  request.route.rtm_type = route_type(route);
  request.route.rtm_table = route.kind == naive::Route::Kind::kept ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
  request.route.rtm_protocol = RTPROT_STATIC;
  request.route.rtm_scope = request.route.rtm_type == RTN_LOCAL               ? RT_SCOPE_HOST
                            : route.kind != naive::Route::Kind::refused && v4 ? RT_SCOPE_LINK
                                                                              : RT_SCOPE_UNIVERSE;
  request.add(RTA_DST, route.to.ip.bytes.data(), v4 ? 4 : 16);
  if (route.kind != naive::Route::Kind::refused) {
    request.add(RTA_OIF, &route.interface, sizeof(route.interface));
  }
  return request;
}

}  // namespace

Result<Sandbox> Sandbox::make() {
  if (::unshare(CLONE_NEWNET) != 0) {
    return Error::from_errno(errno, "make a network namespace");
  }
  // No link-local addresses: they would add routes.
  KRAIT_CHECK(write_setting("ipv6/conf/default/addr_gen_mode", true));
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  KRAIT_CHECK(bring_up(socket, "lo", kLoopback));
  std::array<Fd, 3> interfaces;
  for (std::uint32_t i = 0; i < interfaces.size(); ++i) {
    KRAIT_TRY(auto tun, make_tun(kNames[i]));
    interfaces[i] = std::move(tun);
    KRAIT_CHECK(bring_up(socket, kNames[i], kGuarded + i));
  }
  Fd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!netlink.valid()) {
    return Error::from_errno(errno, "open a netlink socket");
  }
  Sandbox sandbox(std::move(interfaces), std::move(netlink));
  sandbox.routing_.forwards_v4 = sandbox.routing_.forwards_v6 = false;
  return sandbox;
}

Result<void> Sandbox::change(std::uint16_t type, const naive::Route& route) const {
  const Request request = request_for(type, route);
  if (::send(netlink_.get(), &request, request.head.nlmsg_len, 0) < 0) {
    return Error::from_errno(errno, "ask for a route");
  }
  struct {
    nlmsghdr head;
    nlmsgerr error;
    std::array<std::byte, 256> rest;
  } answer{};
  if (::recv(netlink_.get(), &answer, sizeof(answer), 0) < 0) {
    return Error::from_errno(errno, "hear of a route");
  }
  if (answer.error.error != 0) {
    return Error::from_errno(-answer.error.error,
                             (type == RTM_NEWROUTE ? "add the route " : "remove the route ") + route.to.text());
  }
  return {};
}

Result<void> Sandbox::set(const naive::Routing& routing) {
  const auto has = [](const std::vector<naive::Route>& routes, const naive::Route& route) {
    return route.to.text() == "127.0.0.0/8" || route.to.text() == "::1/128" || route.to.text() == "ff00::/8" ||
           std::find(routes.begin(), routes.end(), route) != routes.end();
  };
  for (const naive::Route& route : routing_.routes) {
    KRAIT_CHECK(has(routing.routes, route) ? Result<void>() : change(RTM_DELROUTE, route));
  }
  for (const naive::Route& route : routing.routes) {
    KRAIT_CHECK(has(routing_.routes, route) ? Result<void>() : change(RTM_NEWROUTE, route));
  }
  for (const auto& [was, is, path] :
       {std::tuple{routing_.forwards_v4, routing.forwards_v4, "ipv4/conf/guarded/forwarding"},
        std::tuple{routing_.forwards_v6, routing.forwards_v6, "ipv6/conf/guarded/forwarding"}}) {
    KRAIT_CHECK(was == is ? Result<void>() : write_setting(path, is));
  }
  routing_ = routing;
  return {};
}

}  // namespace krait::differential
