#include "common/netlink/link.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "common/netlink/attributes.h"

namespace netlink {

std::optional<Link> parse_link(const nlmsghdr& message) {
  const auto header = message_header<ifinfomsg>(message);
  if (message.nlmsg_type != RTM_NEWLINK || !header) {
    return std::nullopt;
  }
  const auto table = find_attributes<IFLA_GROUP + 1>(message, sizeof *header);
  Link link;
  link.index = static_cast<std::uint32_t>(header->ifi_index);
  link.name = attribute_text(table[IFLA_IFNAME]);
  link.mtu_bytes = attribute_value<std::uint32_t>(table[IFLA_MTU]).value_or(0);
  link.group = attribute_value<std::uint32_t>(table[IFLA_GROUP]).value_or(0);
  link.up = (header->ifi_flags & IFF_UP) != 0;
  link.loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
  if (table[IFLA_LINKINFO] != nullptr) {
    const auto info = find_attributes<IFLA_INFO_SLAVE_KIND + 1>(*table[IFLA_LINKINFO]);
    link.kind = attribute_text(info[IFLA_INFO_KIND]);
    link.master_kind = attribute_text(info[IFLA_INFO_SLAVE_KIND]);
  }
  return link;
}

}  // namespace netlink
