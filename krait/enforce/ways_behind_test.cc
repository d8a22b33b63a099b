#include "krait/enforce/ways_behind.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "krait/abi/maps.h"

namespace krait::enforce {
namespace {

constexpr std::uint32_t kTunnel = 9;
constexpr std::uint32_t kLan = 3;
constexpr std::uint32_t kWan = 2;

common::Prefix prefix(const char* text) { return *common::Prefix::parse(text); }

netlink::Route route(const char* to, std::uint32_t link, bool connected = false) {
  netlink::Route route;
  route.table = 254;
  route.prefix = prefix(to);
  route.index = link;
  route.protocol = connected ? netlink::kKernelsProtocol : 0;
  return route;
}

WaysBehind of(const char* network, const std::vector<netlink::Route>& routes) {
  const std::vector networks{prefix(network)};
  return ways_behind({.behind = networks, .beyond = {}}, routes, kTunnel);
}

// Of all ways to networks, ascending, each once.
std::vector<std::uint32_t> links(const WaysBehind& found) {
  std::set<std::uint32_t> links;
  for (const datapath::WayBehind& way : found.ways) {
    links.insert(way.interfaces.begin(), way.interfaces.end());
  }
  return {links.begin(), links.end()};
}

std::vector<std::string> texts(const WaysBehind& found) {
  std::vector<std::string> texts;
  for (const datapath::WayBehind& way : found.ways) {
    std::string text = way.prefix.text() + " in /" + std::to_string(way.network_length) + (way.is_own ? " own" : "");
    for (const std::uint32_t link : way.interfaces) {
      text += " " + std::to_string(link);
    }
    texts.push_back(text);
  }
  return texts;
}

using Texts = std::vector<std::string>;

using Links = std::vector<std::uint32_t>;

TEST(WaysBehind, RoutesToTheNetworkOrToPartsOfIt) {
  EXPECT_EQ(links(of("10.20.0.0/16", {route("10.20.0.0/16", kLan)})), Links{kLan});
  EXPECT_EQ(links(of("10.20.0.0/16", {route("10.20.4.0/24", 5), route("10.20.3.0/24", 4), route("10.20.9.0/24", 5)})),
            (Links{4, 5}));
}

TEST(WaysBehind, NoWiderRoute) {
  const WaysBehind found = of("10.20.0.0/16", {route("0.0.0.0/0", kWan), route("10.0.0.0/8", kWan)});
  EXPECT_EQ(links(found), Links{});
  EXPECT_EQ(found.without_way, std::vector{prefix("10.20.0.0/16")});
  EXPECT_EQ(links(of("fd20::/32", {route("::/0", kWan), route("fd00::/8", kWan)})), Links{});
}

TEST(WaysBehind, AConnectedNetworkMayBeWider) {
  EXPECT_EQ(links(of("10.20.3.0/24", {route("10.20.0.0/16", kLan, true), route("0.0.0.0/0", kWan, true)})),
            Links{kLan});
}

TEST(WaysBehind, ADefaultRouteIsTheInternetsOwn) {
  EXPECT_EQ(links(of("0.0.0.0/0", {route("0.0.0.0/0", kWan)})), Links{kWan});
}

TEST(WaysBehind, NeverThroughTheTunnelNorWhatTheKernelKeepsOrRefuses) {
  auto refused = route("10.20.0.0/16", kLan);
  refused.type = netlink::RouteType::refused;
  auto local = route("10.20.0.1/32", kLan);
  local.table = 255;
  local.type = netlink::RouteType::local;
  EXPECT_EQ(links(of("10.20.0.0/16", {route("10.20.1.0/24", kTunnel), refused, local})), Links{});
}

TEST(WaysBehind, APartIsWhereItsOwnRouteLeads) {
  EXPECT_EQ(texts(of("10.20.0.0/16", {route("10.20.1.0/24", kLan), route("10.20.2.0/24", kWan)})),
            (Texts{"10.20.1.0/24 in /16 3", "10.20.2.0/24 in /16 2"}));
}

TEST(WaysBehind, AddressesOfTheHostsOwn) {
  auto local = route("10.20.0.1/32", 1);
  local.table = 255;
  local.type = netlink::RouteType::local;
  auto elsewhere = local;
  elsewhere.prefix = prefix("10.99.0.1/32");
  EXPECT_EQ(texts(of("10.20.0.0/16", {route("10.20.0.0/16", kLan), local, elsewhere})),
            (Texts{"10.20.0.0/16 in /16 3", "10.20.0.1/32 in /16 own"}));
}

// Else an office's box would speak as the lab as soon as the lab's link is down.
TEST(WaysBehind, AWiderConnectedNetworkThatIsAnothersIsNoWay) {
  const std::vector networks{prefix("10.20.0.0/16"), prefix("10.20.5.0/24")};
  const std::vector office{route("10.20.0.0/16", kLan, true)};
  const WaysBehind found = ways_behind({.behind = networks, .beyond = {}}, office, kTunnel);
  EXPECT_EQ(texts(found), Texts{"10.20.0.0/16 in /16 3"});
  EXPECT_EQ(found.without_way, std::vector{prefix("10.20.5.0/24")});
  const std::vector both{office[0], route("10.20.5.0/24", kWan)};
  EXPECT_EQ(texts(ways_behind({.behind = networks, .beyond = {}}, both, kTunnel)),
            (Texts{"10.20.0.0/16 in /16 3", "10.20.5.0/24 in /24 2"}));
}

// What lies in a peer's network and is reached otherwise is not behind the peer.
TEST(WaysBehind, PartsOfANetworkBehindAPeer) {
  const std::vector behind{prefix("10.50.9.0/24")};
  const std::vector beyond{prefix("10.50.0.0/16"), prefix("10.50.7.0/24")};
  auto own = route("10.50.1.1/32", 1);
  own.table = 255;
  own.type = netlink::RouteType::local;
  const std::vector routes{
      route("10.50.0.0/16", kTunnel), route("10.50.1.0/24", kLan, true), own,
      route("10.50.7.0/24", kTunnel), route("10.50.6.0/23", kWan),       route("10.0.0.0/8", kWan, true),
      route("10.50.9.0/25", kLan)};
  const WaysBehind found = ways_behind({.behind = behind, .beyond = beyond}, routes, kTunnel);
  EXPECT_EQ(texts(found), (Texts{"10.50.1.0/24 in /16 3", "10.50.6.0/23 in /16 2", "10.50.9.0/25 in /24 3"}));
  EXPECT_TRUE(found.without_way.empty());
  const std::vector second{route("10.50.7.0/24", kTunnel), route("10.50.7.0/24", kLan)};
  EXPECT_EQ(texts(ways_behind({.behind = {}, .beyond = beyond}, second, kTunnel)), Texts{"10.50.7.0/24 in /24 3"});
}

TEST(WaysBehind, NetworksBehindThisHostComeFirstWhereRoomIsShort) {
  const std::vector behind{prefix("10.99.0.0/16")};
  const std::vector beyond{prefix("10.0.0.0/10")};
  std::vector<netlink::Route> routes{route("10.99.0.0/16", kWan)};
  for (std::uint32_t i = 0; i <= KRAIT_WAYS; ++i) {
    auto part = route("10.0.0.0/30", kLan);
    part.prefix.ip.bytes[1] = static_cast<std::uint8_t>(i >> 14U);
    part.prefix.ip.bytes[2] = static_cast<std::uint8_t>(i >> 6U);
    part.prefix.ip.bytes[3] = static_cast<std::uint8_t>(i << 2U);
    routes.push_back(part);
  }
  const WaysBehind found = ways_behind({.behind = behind, .beyond = beyond}, routes, kTunnel);
  EXPECT_EQ(found.ways.size(), KRAIT_WAYS);
  EXPECT_EQ(found.left_out, 2U);
  EXPECT_TRUE(found.without_way.empty());
}

TEST(WaysBehind, EveryNextHop) {
  auto several = route("10.20.0.0/16", 0);
  several.next_hops = {7, kTunnel, 6};
  EXPECT_EQ(links(of("10.20.0.0/16", {several})), (Links{6, 7}));
}

TEST(WaysBehind, OtherFamiliesAreOthers) {
  EXPECT_EQ(links(of("10.20.0.0/16", {route("::/0", kLan), route("fd20::/32", kLan)})), Links{});
}

}  // namespace
}  // namespace krait::enforce
