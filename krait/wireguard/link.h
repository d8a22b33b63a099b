// Links, addresses and routes over rtnetlink. Every call blocks for the kernel's answer only.
#pragma once

#include <cstdint>
#include <functional>
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
  std::uint32_t group = 0;
  bool up = false;
};

// The group of the links that krait makes: "krai". Of all that can mark a link only the group is there from the moment
// at which the link is, so that an agent that is killed right after leaves none that the next one takes for a
// stranger's.
inline constexpr std::uint32_t kLinkGroup = 0x6b726169;

enum class RouteChange { add, replace, remove };

// A conversation with rtnetlink.
class Links {
 public:
  static common::Result<Links> open();

  // Fails with not_found, or with invalid_input when `name` can be no interface's.
  common::Result<LinkState> find(const std::string& name);
  common::Result<LinkState> find(std::uint32_t index);
  common::Result<LinkState> find(const NewHome& home);
  // In kLinkGroup. EEXIST when the name is taken, EOPNOTSUPP when the kernel does not know the kind.
  common::Result<void> add(const std::string& name, const std::string& kind);
  common::Result<void> remove(std::uint32_t index);
  common::Result<void> remove(const NewHome& home);  // ENODEV when it is there no more
  common::Result<void> set_group(std::uint32_t index, std::uint32_t group);
  common::Result<void> set_mtu(std::uint32_t index, std::uint32_t mtu_bytes);
  common::Result<void> set_up(std::uint32_t index);
  common::Result<void> set_down(std::uint32_t index);  // it loses its routes, and its IPv6 addresses
  // EBUSY from kernels that rename only what is down, EEXIST when the name is taken.
  common::Result<void> rename(std::uint32_t index, const std::string& name);
  common::Result<FirstFilterPrograms> first_filters(std::uint32_t index);  // of clsact

  common::Result<std::vector<AddressState>> addresses(std::uint32_t index);
  common::Result<void> add_address(std::uint32_t index, const common::Ip& ip);
  common::Result<void> remove_address(std::uint32_t index, const AddressState& address);  // no error when it is gone

  // Calls `handler` for each route of the family in the main table through the link with the default metric; and
  // `restart` before the first, again where the routes changed meanwhile and are listed anew.
  common::Result<void> routes(std::uint32_t index, common::Family family, const std::function<void()>& restart,
                              const std::function<void(const RouteState&)>& handler);
  // Ends at the first route that the kernel refuses; those behind it may have been changed or not. One to be removed
  // that is gone is no error.
  common::Result<void> change_routes(std::uint32_t index, RouteChange how, const std::vector<RouteState>& routes);

 private:
  explicit Links(Socket socket) : socket_(std::move(socket)) {}
  common::Result<LinkState> find(Message message, const std::string& what);
  common::Result<std::uint32_t> first_filter(std::uint32_t index, std::uint32_t parent);

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
