#include "common/netlink/generic.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>

#include <optional>

#include "common/netlink/attributes.h"

namespace netlink {

using common::Result;

Result<std::uint16_t> find_family(Socket& socket, std::string_view name) {
  Message message(GENL_ID_CTRL, 0);
  message.put_header(genlmsghdr{.cmd = CTRL_CMD_GETFAMILY, .version = 1, .reserved = 0});
  message.put_text(CTRL_ATTR_FAMILY_NAME, name);
  std::optional<std::uint16_t> family;
  KRAIT_CHECK(socket.request(message, [&](const nlmsghdr& answer) {
    const auto table = find_attributes<CTRL_ATTR_FAMILY_ID + 1>(answer, sizeof(genlmsghdr));
    family = attribute_value<std::uint16_t>(table[CTRL_ATTR_FAMILY_ID]);
    return Result<void>{};
  }));
  return family ? Result<std::uint16_t>(*family) : malformed_answer();
}

}  // namespace netlink
