// The whole host's links, addresses, routes, routing rules and traffic control, read over rtnetlink. Changes nothing
// and needs no privilege. Every call blocks for the kernel's answer only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ip.h"
#include "common/result.h"
#include "krait/wireguard/netlink.h"

namespace krait::wireguard {

struct NetworkLink {
  std::uint32_t index = 0;
  std::string name;
  std::string kind;  // "wireguard", "veth", ...; empty for a physical link
  std::uint32_t mtu_bytes = 0;
  bool up = false;
  bool loopback = false;
  std::string master_kind{};  // "bridge", "bond", "vrf", ...; empty: it belongs to no other link
};

struct NetworkAddress {
  std::uint32_t index = 0;
  common::Prefix prefix;  // host bits kept
};

enum class RouteType : std::uint8_t {
  unicast,
  local,      // to this host, or broadcast, anycast, multicast
  refused,    // unreachable, prohibit, blackhole
  elsewhere,  // throw: the next routing rule decides
};

struct NetworkRoute {
  std::uint32_t table = 0;
  common::Prefix prefix;
  RouteType type = RouteType::unicast;
  std::uint32_t index = 0;  // of the link; 0: none or several
  std::optional<common::Ip> gateway;
  std::uint32_t metric = 0;
  bool connected = false;            // the network of one of the host's own addresses
  std::vector<std::uint32_t> links;  // of all its next hops
  bool announced = false;            // by a router's advertisement: anybody on the link can send those
};

enum class RuleAction : std::uint8_t { table, refuse, other };

// One of `ip rule`.
struct RoutingRule {
  common::Family family = common::Family::v4;
  std::uint32_t priority = 0;
  RuleAction action = RuleAction::other;
  std::uint32_t table = 0;
  std::optional<common::Prefix> source;
  std::optional<common::Prefix> destination;
  bool narrowed = false;                           // by anything else: mark, interface, user, protocol, port
  bool inverted = false;                           // `not`
  std::optional<std::uint32_t> suppressed_length;  // routes of this prefix length and shorter do not count
};

// Where the kernel would send a packet of this host.
struct Way {
  bool reachable = true;
  std::uint32_t index = 0;
  std::optional<common::Ip> gateway;
  std::optional<common::Ip> source;
  // That somebody gave the route; 0: the link's. What the kernel has learned of the path does not count: anybody who
  // can write a packet with another's address tells it.
  std::uint32_t mtu_bytes = 0;
};

struct Qdisc {
  std::uint32_t index = 0;
  std::string kind;
  std::uint32_t handle = 0;
  std::uint32_t parent = 0;
};

// A filter of the clsact qdisc, in the order in which they run.
struct NetworkFilter {
  std::uint32_t index = 0;
  bool ingress = false;
  std::uint32_t priority = 0;
  std::uint32_t handle = 0;
  std::string kind;
  std::string program;           // its name; empty when it is no BPF filter
  std::uint32_t program_id = 0;  // likewise 0
  std::string program_tag;       // 16 hexadecimal digits
};

// A conversation with rtnetlink in the caller's network namespace. Not thread-safe. Move-only.
class Network {
 public:
  static common::Result<Network> open();

  common::Result<std::vector<NetworkLink>> links();
  common::Result<std::vector<NetworkAddress>> addresses();
  common::Result<std::vector<NetworkRoute>> routes();  // of all tables
  common::Result<std::vector<RoutingRule>> rules();    // in the order in which they are asked
  common::Result<std::vector<Way>> ways_to(const std::vector<common::Ip>& destinations);  // in their order
  common::Result<std::vector<Qdisc>> qdiscs();
  // Of both directions; none where the link has no clsact qdisc.
  common::Result<std::vector<NetworkFilter>> filters(std::uint32_t index);

 private:
  explicit Network(Socket socket) : socket_(std::move(socket)) {}
  common::Result<std::vector<Way>> look_up(const std::vector<common::Ip>& destinations, bool as_configured);

  Socket socket_;
};

// Readers of rtnetlink's messages. Empty when the message is of another type or malformed.
std::optional<NetworkLink> parse_network_link(const nlmsghdr& message);
std::optional<NetworkAddress> parse_network_address(const nlmsghdr& message);
std::optional<NetworkRoute> parse_network_route(const nlmsghdr& message);
std::optional<RoutingRule> parse_routing_rule(const nlmsghdr& message);
std::optional<Way> parse_way(const nlmsghdr& message);
std::optional<Qdisc> parse_qdisc(const nlmsghdr& message);
std::optional<NetworkFilter> parse_filter(const nlmsghdr& message, bool ingress);

}  // namespace krait::wireguard
