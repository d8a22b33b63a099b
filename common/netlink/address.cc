#include "common/netlink/address.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "common/netlink/attributes.h"

namespace netlink {

std::optional<Address> parse_address(const nlmsghdr& message) {
  const auto header = message_header<ifaddrmsg>(message);
  const auto family = header ? family_of(header->ifa_family) : std::nullopt;
  if (message.nlmsg_type != RTM_NEWADDR || !family) {
    return std::nullopt;
  }
  const auto table = find_attributes<IFA_LOCAL + 1>(message, sizeof *header);
  // IFA_ADDRESS is the other end's where IFA_LOCAL is given.
  const nlattr* own = table[IFA_LOCAL] != nullptr ? table[IFA_LOCAL] : table[IFA_ADDRESS];
  const auto ip = attribute_ip(own, *family);
  if (!ip || header->ifa_prefixlen > ip->bits()) {
    return std::nullopt;
  }
  return Address{.index = header->ifa_index,
                 .prefix = {*ip, header->ifa_prefixlen},
                 .other_end = attribute_ip(table[IFA_ADDRESS], *family).value_or(*ip)};
}

}  // namespace netlink
