// Finds, makes, changes and removes links, and their addresses and routes, over rtnetlink. Changes need CAP_NET_ADMIN.
// Every call blocks for the kernel's answer only.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/ip.h"
#include "common/netlink/address.h"
#include "common/netlink/link.h"
#include "common/netlink/route.h"
#include "common/netlink/socket.h"
#include "common/result.h"

namespace netlink {

enum class RouteChange { add, replace, remove };

// A conversation with rtnetlink.
class Links {
 public:
  static common::Result<Links> open();

  // Fails with not_found, or with invalid_input when `name` can be no interface's.
  common::Result<Link> find(const std::string& name);
  common::Result<Link> find(std::uint32_t index);
  common::Result<Link> find(const NewHome& home);
  // In that group from the first moment on. EEXIST when the name is taken, EOPNOTSUPP when the kernel does not know the
  // kind.
  common::Result<void> add(const std::string& name, const std::string& kind, std::uint32_t group);
  common::Result<void> remove(std::uint32_t index);
  common::Result<void> remove(const NewHome& home);  // ENODEV when it is there no more
  common::Result<void> set_group(std::uint32_t index, std::uint32_t group);
  common::Result<void> set_mtu(std::uint32_t index, std::uint32_t mtu_bytes);
  common::Result<void> set_up(std::uint32_t index);
  common::Result<void> set_down(std::uint32_t index);  // it loses its routes, and its IPv6 addresses
  // EBUSY from kernels that rename only what is down, EEXIST when the name is taken.
  common::Result<void> rename(std::uint32_t index, const std::string& name);
  common::Result<void> add_address(std::uint32_t index, const common::Ip& ip);
  common::Result<void> remove_address(std::uint32_t index, const Address& address);  // no error when it is gone

  // Gives what the kernel refused, an error for each route; the others are changed. One to be removed that is gone is
  // no error.
  common::Result<std::vector<common::Error>> change_routes(std::uint32_t index, RouteChange how,
                                                           const std::vector<LinkRoute>& routes);

 private:
  explicit Links(Socket socket) : socket_(std::move(socket)) {}
  common::Result<Link> find(Message message, const std::string& what);

  Socket socket_;
};

}  // namespace netlink
