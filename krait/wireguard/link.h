// Links, addresses and routes over rtnetlink, one request each. Every call blocks for the kernel's answer only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "krait/wireguard/netlink.h"
#include "krait/wireguard/sync.h"
#include "krait/wireguard/wireguard.h"

namespace krait::wireguard {

struct LinkState {
  std::uint32_t index = 0;
  std::string name;
  std::string kind;  // "wireguard", "veth", ...; empty for a physical link
  std::uint32_t mtu_bytes = 0;
  bool up = false;
};

// A conversation with rtnetlink.
class Links {
 public:
  static common::Result<Links> open();

  // Fails with not_found, or with invalid_input when `name` can be no interface's.
  common::Result<LinkState> find(const std::string& name);
  common::Result<LinkState> find(std::uint32_t index);
  // EEXIST when the name is taken, EOPNOTSUPP when the kernel does not know the kind.
  common::Result<void> add(const std::string& name, const std::string& kind);
  common::Result<void> remove(std::uint32_t index);
  common::Result<void> set_mtu(std::uint32_t index, std::uint32_t mtu_bytes);
  common::Result<void> set_up(std::uint32_t index);
  // EBUSY from kernels that rename only what is down, EEXIST when the name is taken.
  common::Result<void> rename(std::uint32_t index, const std::string& name);
  common::Result<FirstFilterPrograms> first_filters(std::uint32_t index);  // of clsact

  common::Result<std::vector<AddressState>> addresses(std::uint32_t index);
  common::Result<void> add_address(std::uint32_t index, const common::Ip& ip);
  common::Result<void> remove_address(std::uint32_t index, const AddressState& address);  // no error when it is gone

  // The routes in the main table through the link with the default metric.
  common::Result<std::vector<RouteState>> routes(std::uint32_t index);
  common::Result<void> add_route(std::uint32_t index, const RouteState& route);  // EEXIST
  common::Result<void> replace_route(std::uint32_t index, const RouteState& route);
  common::Result<void> remove_route(std::uint32_t index, const RouteState& route);  // no error when it is gone

 private:
  explicit Links(Socket socket) : socket_(std::move(socket)) {}
  common::Result<LinkState> find(Message message, const std::string& what);
  common::Result<std::uint32_t> first_filter(std::uint32_t index, std::uint32_t parent);
  common::Result<void> change_route(Message message, std::uint32_t index, const RouteState& route);

  Socket socket_;
};

// Readers of rtnetlink's messages. Empty when the message is of another type, malformed, or of no concern (another
// link, another table).
std::optional<LinkState> parse_link(const nlmsghdr& message);
std::optional<AddressState> parse_address(const nlmsghdr& message, std::uint32_t index);
// The program of a filter that the message describes; 0: it is no BPF filter.
std::optional<std::uint32_t> parse_filter(const nlmsghdr& message, std::uint32_t index);
std::optional<RouteState> parse_route(const nlmsghdr& message, std::uint32_t index);

}  // namespace krait::wireguard
