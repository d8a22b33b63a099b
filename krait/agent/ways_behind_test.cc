#include "krait/agent/ways_behind.h"

#include <gtest/gtest.h>

namespace krait::agent {
namespace {

constexpr std::uint32_t kTunnel = 9;
constexpr std::uint32_t kLan = 3;
constexpr std::uint32_t kWan = 2;

common::Prefix prefix(const char* text) { return *common::Prefix::parse(text); }

wireguard::NetworkRoute route(const char* to, std::uint32_t link, bool connected = false) {
  wireguard::NetworkRoute route;
  route.table = 254;
  route.prefix = prefix(to);
  route.links = {link};
  route.connected = connected;
  return route;
}

WaysBehind of(const char* network, const std::vector<wireguard::NetworkRoute>& routes) {
  const std::vector networks{prefix(network)};
  return ways_behind(networks, routes, kTunnel);
}

std::vector<std::uint32_t> links(const WaysBehind& found) {
  std::vector<std::uint32_t> links;
  for (const datapath::WayBehind& way : found.ways) {
    links.push_back(way.interface);
  }
  return links;
}

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
  refused.type = wireguard::RouteType::refused;
  auto local = route("10.20.0.1/32", kLan);
  local.table = 255;
  local.type = wireguard::RouteType::local;
  EXPECT_EQ(links(of("10.20.0.0/16", {route("10.20.1.0/24", kTunnel), refused, local})), Links{});
}

TEST(WaysBehind, EveryNextHop) {
  auto several = route("10.20.0.0/16", 0);
  several.links = {7, kTunnel, 6};
  EXPECT_EQ(links(of("10.20.0.0/16", {several})), (Links{6, 7}));
}

TEST(WaysBehind, OtherFamiliesAreOthers) {
  EXPECT_EQ(links(of("10.20.0.0/16", {route("::/0", kLan), route("fd20::/32", kLan)})), Links{});
}

}  // namespace
}  // namespace krait::agent
