// The host's links, addresses, routes, routing rules and traffic control, read over rtnetlink. Changes nothing and
// needs no privilege. Every call blocks for the kernel's answer only.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "common/ip.h"
#include "common/netlink/address.h"
#include "common/netlink/link.h"
#include "common/netlink/route.h"
#include "common/netlink/rule.h"
#include "common/netlink/socket.h"
#include "common/netlink/tc.h"
#include "common/result.h"

namespace netlink {

// A conversation with rtnetlink in the caller's network namespace. Not thread-safe. Move-only.
class Network {
 public:
  static common::Result<Network> open();

  common::Result<std::vector<Link>> links();
  common::Result<std::vector<Address>> addresses();
  common::Result<std::vector<Address>> addresses(std::uint32_t index);  // of one link
  common::Result<std::vector<Route>> routes();                          // of all tables
  // Calls `handler` for each route of the family through the link; and `restart` before the first, again where the
  // routes changed meanwhile and are listed anew.
  common::Result<void> routes(std::uint32_t index, common::Family family, const std::function<void()>& restart,
                              const std::function<void(const LinkRoute&)>& handler);
  common::Result<std::vector<Rule>> rules();  // in the order in which they are asked
  common::Result<std::vector<Way>> ways_to(const std::vector<common::Ip>& destinations);  // in their order
  common::Result<std::vector<Qdisc>> qdiscs();
  // Of both directions; none where the link has no clsact qdisc.
  common::Result<std::vector<Filter>> filters(std::uint32_t index);

 private:
  explicit Network(Socket socket) : socket_(std::move(socket)) {}
  common::Result<std::vector<Way>> look_up(const std::vector<common::Ip>& destinations, bool as_configured);

  Socket socket_;
};

}  // namespace netlink
