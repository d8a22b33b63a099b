#include "common/netlink/watch.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <vector>

#include "common/netlink/attributes.h"
#include "common/netlink/socket.h"

namespace netlink {

using common::Error;
using common::Fd;
using common::Result;

namespace {

constexpr std::array kGroups{RTNLGRP_LINK,        RTNLGRP_TC,         RTNLGRP_IPV4_IFADDR,
                             RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};
constexpr std::size_t kDatagramBytes = 65536;

void note_link(const nlmsghdr& message, std::string_view interface, std::uint32_t index, Noticed& noticed) {
  const auto header = message_header<ifinfomsg>(message);
  if (!header) {
    return;
  }
  const auto table = find_attributes<IFLA_NEW_IFINDEX + 1>(message, sizeof *header);
  const bool is_ours = static_cast<std::uint32_t>(header->ifi_index) == index;
  if (is_ours || attribute_text(table[IFLA_IFNAME]) == interface) {
    noticed.interface = true;
    // A link that is moved leaves with the number of the namespace that it goes to, and its own there.
    const auto to = attribute_value<std::int32_t>(table[IFLA_NEW_NETNSID]);
    if (message.nlmsg_type == RTM_DELLINK && is_ours && to) {
      noticed.moved_to = NewHome{.namespace_id = *to,
                                 .index = attribute_value<std::uint32_t>(table[IFLA_NEW_IFINDEX]).value_or(index)};
    }
    return;
  }
  noticed.underlay = true;
}

void note_index(std::uint32_t changed, std::uint32_t index, Noticed& noticed) {
  (changed == index ? noticed.interface : noticed.underlay) = true;
}

}  // namespace

void note_change(const nlmsghdr& message, std::string_view interface, std::uint32_t index, Noticed& noticed) {
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return note_link(message, interface, index, noticed);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      if (const auto header = message_header<ifaddrmsg>(message)) {
        note_index(header->ifa_index, index, noticed);
      }
      return;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      if (const auto header = message_header<rtmsg>(message)) {
        const auto table = find_attributes<RTA_OIF + 1>(message, sizeof *header);
        note_index(attribute_value<std::uint32_t>(table[RTA_OIF]).value_or(0), index, noticed);
      }
      return;
    case RTM_NEWQDISC:
    case RTM_DELQDISC:
    case RTM_NEWTFILTER:
    case RTM_DELTFILTER:
      if (const auto header = message_header<tcmsg>(message)) {
        noticed.interface = noticed.interface || static_cast<std::uint32_t>(header->tcm_ifindex) == index;
      }
      return;
    default:
      return;
  }
}

Result<Watch> Watch::open() {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (!fd.valid() || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Error::from_errno(errno, "open a netlink socket");
  }
  for (const int group : kGroups) {
    if (::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
      return Error::from_errno(errno, "watch the kernel's interfaces");
    }
  }
  return Watch(std::move(fd));
}

Result<Noticed> Watch::read(std::string_view interface, std::uint32_t index) {
  Noticed noticed;
  std::vector<std::byte> datagram(kDatagramBytes);
  for (;;) {
    sockaddr_nl from{};
    socklen_t from_bytes = sizeof from;
    const ssize_t got = ::recvfrom(fd_.get(), datagram.data(), datagram.size(), MSG_TRUNC,
                                   reinterpret_cast<sockaddr*>(&from), &from_bytes);
    if (got < 0 && errno == EAGAIN) {
      return noticed;
    }
    if (got < 0 && errno != ENOBUFS) {
      return Error::from_errno(errno, "read the kernel's notifications");
    }
    if (got < 0 || static_cast<std::size_t>(got) > datagram.size()) {
      noticed.lost = true;
      continue;
    }
    if (from.nl_pid != 0) {
      continue;  // not the kernel
    }
    auto read =
        for_each_message(std::span(datagram).first(static_cast<std::size_t>(got)), [&](const nlmsghdr& message) {
          note_change(message, interface, index, noticed);
          return Result<void>{};
        });
    noticed.lost = noticed.lost || !read;
  }
}

}  // namespace netlink
