#include "krait/wireguard/sync.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <random>
#include <set>

namespace krait::wireguard {
namespace {

using common::Endpoint;
using common::Family;
using common::Ip;
using common::Prefix;
using model::PublicKey;
using model::WireguardImage;
using model::WireguardPeer;
using netlink::Address;
using netlink::LinkRoute;

constexpr std::int64_t kNow_s = 1'800'000'000;

Ip ip(const char* text) { return Ip::parse(text).value(); }
Prefix prefix(const char* text) { return Prefix::parse(text).value(); }
Endpoint endpoint(const char* text) { return Endpoint::parse(text).value(); }
Address address(const char* text) { return {0, prefix(text), prefix(text).ip}; }

PublicKey key(std::uint8_t number) {
  PublicKey key{};
  key[0] = number;
  return key;
}
const PublicKey kSink = key(255);

PeerState peer(std::uint8_t number, std::vector<Prefix> allowed_ips, std::optional<Endpoint> at = std::nullopt) {
  PeerState state;
  state.public_key = key(number);
  state.endpoint = at;
  state.allowed_ips = std::move(allowed_ips);
  return state;
}

DeviceState device(std::vector<PeerState> peers) {
  DeviceState state;
  state.peers = std::move(peers);
  return state;
}

WireguardImage image(std::vector<WireguardPeer> peers) {
  WireguardImage result;
  result.peers = std::move(peers);
  return result;
}

// --- Withdrawal

TEST(PlanWithdrawal, SendsNothingWhenTheImageHasEverything) {
  const auto plan =
      plan_withdrawal(device({peer(1, {prefix("10.0.0.1/32")})}),
                      image({{key(1), {}, {prefix("10.0.0.1/32"), prefix("10.0.0.2/32")}}, {key(2), {}, {}}}), kSink);
  EXPECT_TRUE(plan.updates.empty());
  EXPECT_EQ(plan.changed, 0U);
}

TEST(PlanWithdrawal, RemovesAPeerThatTheImageLacks) {
  const auto plan =
      plan_withdrawal(device({peer(1, {prefix("10.0.0.1/32")}), peer(2, {})}), image({{key(2), {}, {}}}), kSink);
  ASSERT_EQ(plan.updates.size(), 1U);
  EXPECT_EQ(plan.updates[0].public_key, key(1));
  EXPECT_TRUE(plan.updates[0].remove);
  EXPECT_EQ(plan.removed, 1U);
}

TEST(PlanWithdrawal, MovesSurplusAllowedIpsToThePeerThatThenGoes) {
  const auto plan =
      plan_withdrawal(device({peer(1, {prefix("10.0.0.1/32"), prefix("10.1.0.0/16")}),
                              peer(2, {prefix("10.0.0.2/32"), prefix("fd00::2/128")})}),
                      image({{key(1), {}, {prefix("10.0.0.1/32")}}, {key(2), {}, {prefix("10.0.0.2/32")}}}), kSink);
  ASSERT_EQ(plan.updates.size(), 2U);
  EXPECT_EQ(plan.updates[0].public_key, kSink);
  EXPECT_FALSE(plan.updates[0].remove);
  EXPECT_EQ(plan.updates[0].allowed_ips, (std::vector{prefix("10.1.0.0/16"), prefix("fd00::2/128")}));
  EXPECT_EQ(plan.updates[1].public_key, kSink);
  EXPECT_TRUE(plan.updates[1].remove);
  EXPECT_EQ(plan.changed, 2U);
  EXPECT_EQ(plan.removed, 0U);
}

// --- Peers

TEST(PlanPeers, AddsANewPeerWithAllItHas) {
  const WireguardPeer wanted{key(1), endpoint("192.0.2.1:1"), {prefix("10.0.0.1/32")}};
  const auto plan = plan_peers(device({}), image({wanted}), nullptr, kNow_s);
  ASSERT_EQ(plan.updates.size(), 1U);
  EXPECT_EQ(plan.updates[0].endpoint, wanted.endpoint);
  EXPECT_EQ(plan.updates[0].allowed_ips, wanted.allowed_ips);
  EXPECT_EQ(plan.added, 1U);
}

TEST(PlanPeers, AddsOnlyTheMissingAllowedIps) {
  const auto plan = plan_peers(
      device({peer(1, {prefix("10.0.0.1/32")}, endpoint("192.0.2.1:1"))}),
      image({{key(1), endpoint("192.0.2.1:1"), {prefix("10.0.0.1/32"), prefix("10.0.0.2/32")}}}), nullptr, kNow_s);
  ASSERT_EQ(plan.updates.size(), 1U);
  EXPECT_EQ(plan.updates[0].endpoint, std::nullopt);
  EXPECT_EQ(plan.updates[0].allowed_ips, std::vector{prefix("10.0.0.2/32")});
  EXPECT_EQ(plan.changed, 1U);
}

// Whether the endpoint of a known peer is set.
bool sets_endpoint(std::optional<Endpoint> present, std::optional<Endpoint> wanted,
                   const std::optional<Endpoint>* before, std::int64_t handshake_age_s = 0) {
  PeerState state = peer(1, {}, present);
  state.last_handshake_s = kNow_s - handshake_age_s;
  const auto now = image({{key(1), wanted, {}}});
  const auto previous = image({{key(1), before != nullptr ? *before : std::nullopt, {}}});
  return !plan_peers(device({state}), now, before != nullptr ? &previous : nullptr, kNow_s).updates.empty();
}

TEST(PlanPeers, KeepsARoamedEndpointUntilTheFileChanges) {
  const std::optional<Endpoint> a = endpoint("192.0.2.1:1");
  const std::optional<Endpoint> b = endpoint("192.0.2.2:1");
  const std::optional<Endpoint> none;
  EXPECT_FALSE(sets_endpoint(b, a, &a, 10'000));
  EXPECT_TRUE(sets_endpoint(a, b, &a));
  EXPECT_TRUE(sets_endpoint(b, a, &none));
  EXPECT_TRUE(sets_endpoint(none, a, &a)) << "an endpoint that the kernel lost is set again";
  EXPECT_FALSE(sets_endpoint(a, a, &b));
  EXPECT_FALSE(sets_endpoint(a, none, &a));
}

// The device tells nobody whether it has these because of the image or in spite of it.
TEST(AsksTheSame, SeesWhatTheDeviceDoesNotTell) {
  const WireguardPeer peer{.public_key = key(1),
                           .endpoint = endpoint("192.0.2.1:1"),
                           .allowed_ips = {prefix("10.0.0.1/32")},
                           .keepalive_s = 25};
  const WireguardImage former = image({peer});
  const auto after = [&](const auto& change) {
    WireguardPeer changed = peer;
    change(changed);
    return asks_the_same(image({changed}), former);
  };
  EXPECT_TRUE(after([](WireguardPeer&) {}));
  EXPECT_TRUE(after([](WireguardPeer& changed) { changed.allowed_ips.clear(); }));  // which the device tells
  EXPECT_FALSE(after([](WireguardPeer& changed) { changed.endpoint = endpoint("192.0.2.2:1"); }));
  EXPECT_FALSE(after([](WireguardPeer& changed) { changed.keepalive_s = 0; }));
  EXPECT_FALSE(after([](WireguardPeer& changed) { changed.preshared_key_file = "web.psk"; }));
  EXPECT_FALSE(after([](WireguardPeer& changed) { changed.public_key = key(2); }));
  WireguardPeer with_secret = peer;
  with_secret.preshared_key_file = "web.psk";
  EXPECT_FALSE(asks_the_same(image({with_secret}), image({with_secret})));  // another secret in the same file
  EXPECT_FALSE(asks_the_same(former, image({with_secret})));
}

TEST(PlanPeers, KeepsARoamedEndpointAtTheStartWhileItsSessionLives) {
  const std::optional<Endpoint> a = endpoint("192.0.2.1:1");
  const std::optional<Endpoint> b = endpoint("192.0.2.2:1");
  EXPECT_FALSE(sets_endpoint(b, a, nullptr, 179));
  EXPECT_TRUE(sets_endpoint(b, a, nullptr, 180));
  EXPECT_TRUE(sets_endpoint(b, a, nullptr, kNow_s)) << "never a handshake";
  EXPECT_FALSE(sets_endpoint(a, a, nullptr, kNow_s));
}

// The kernel's rule: an address belongs to the peer that got it last.
void play(std::map<PublicKey, std::set<Prefix>>& kernel, const PeerPlan& plan) {
  for (const PeerUpdate& update : plan.updates) {
    if (update.remove) {
      kernel.erase(update.public_key);
      continue;
    }
    for (const Prefix& moved : update.allowed_ips) {
      for (auto& [owner, owned] : kernel) {
        owned.erase(moved);
      }
    }
    kernel[update.public_key].insert(update.allowed_ips.begin(), update.allowed_ips.end());
  }
}

DeviceState state_of(const std::map<PublicKey, std::set<Prefix>>& kernel) {
  DeviceState state;
  for (const auto& [owner, owned] : kernel) {
    state.peers.emplace_back().public_key = owner;
    state.peers.back().allowed_ips.assign(owned.begin(), owned.end());
  }
  return state;
}

WireguardImage random_image(std::mt19937& random) {
  std::map<std::uint8_t, std::set<Prefix>> peers;
  for (int i = 0; i < 12; ++i) {
    Prefix host = prefix("10.0.0.0/32");
    host.ip.bytes[3] = static_cast<std::uint8_t>(i);
    if (random() % 3 != 0) {
      peers[static_cast<std::uint8_t>(1 + random() % 5)].insert(host);
    }
  }
  WireguardImage result;
  for (const auto& [number, allowed_ips] : peers) {
    result.peers.push_back({key(number), {}, {allowed_ips.begin(), allowed_ips.end()}});
  }
  return result;
}

// What the image says nothing of is left alone, unless krait has set it.
TEST(PlanPeers, SetsAKeepaliveAndLeavesSomebodyElses) {
  const auto interval = [](std::uint16_t present_s, std::uint16_t wanted_s, std::optional<std::uint16_t> former_s) {
    PeerState present = peer(1, {});
    present.keepalive_s = present_s;
    const WireguardImage wanted =
        image({{.public_key = key(1), .endpoint = {}, .allowed_ips = {}, .keepalive_s = wanted_s}});
    const WireguardImage former =
        image({{.public_key = key(1), .endpoint = {}, .allowed_ips = {}, .keepalive_s = former_s.value_or(0)}});
    const auto plan = plan_peers(device({present}), wanted, former_s ? &former : nullptr, kNow_s);
    return plan.updates.empty() ? std::nullopt : plan.updates[0].keepalive_s;
  };
  EXPECT_EQ(interval(0, 25, 0), 25);
  EXPECT_EQ(interval(25, 25, 0), std::nullopt);
  EXPECT_EQ(interval(25, 0, 25), 0);
  EXPECT_EQ(interval(7, 0, 0), std::nullopt);
  EXPECT_EQ(interval(7, 0, std::nullopt), std::nullopt);
  EXPECT_EQ(interval(7, 25, 25), 25);
}

TEST(PlanPeers, GivesAndTakesAPresharedKey) {
  const std::array<std::uint8_t, 32> bytes{7};
  const auto secret = std::make_shared<const crypto::Secret>(crypto::Secret::of(bytes));
  const PresharedKeys keys{{key(1), secret}};
  const WireguardImage with =
      image({{.public_key = key(1), .endpoint = {}, .allowed_ips = {}, .preshared_key_file = "db1.psk"}});
  const WireguardImage without = image({{.public_key = key(1), .endpoint = {}, .allowed_ips = {}}});
  PeerState present = peer(1, {});
  EXPECT_EQ(plan_peers(device({}), with, nullptr, kNow_s, keys).updates.at(0).preshared_key, secret);
  EXPECT_EQ(plan_peers(device({present}), with, &without, kNow_s, keys).updates.at(0).preshared_key, secret);
  present.preshared_id = preshared_id(bytes);
  EXPECT_TRUE(plan_peers(device({present}), with, &with, kNow_s, keys).updates.empty());
  EXPECT_TRUE(plan_peers(device({present}), without, &with, kNow_s).updates.at(0).without_preshared_key);
  EXPECT_TRUE(plan_peers(device({present}), without, &without, kNow_s).updates.empty()) << "somebody else's";
  EXPECT_EQ(preshared_id(std::array<std::uint8_t, 32>{}), crypto::Hash{});
}

TEST(PlanPeers, WithdrawalAndPeersTogetherReachAnyImageFromAny) {
  std::mt19937 random(1);
  std::map<PublicKey, std::set<Prefix>> kernel;
  for (int round = 0; round < 2000; ++round) {
    const WireguardImage wanted = random_image(random);
    const auto before = kernel;
    play(kernel, plan_withdrawal(state_of(kernel), wanted, kSink));
    for (const auto& [owner, owned] : kernel) {
      ASSERT_TRUE(std::ranges::includes(before.at(owner), owned)) << "a withdrawal gave somebody an address";
    }
    play(kernel, plan_peers(state_of(kernel), wanted, nullptr, kNow_s));
    std::map<PublicKey, std::set<Prefix>> expected;
    for (const WireguardPeer& one : wanted.peers) {
      expected[one.public_key] = {one.allowed_ips.begin(), one.allowed_ips.end()};
    }
    ASSERT_EQ(kernel, expected);
    ASSERT_TRUE(plan_withdrawal(state_of(kernel), wanted, kSink).updates.empty());
    ASSERT_TRUE(plan_peers(state_of(kernel), wanted, nullptr, kNow_s).updates.empty());
  }
}

// --- Addresses

TEST(PlanAddresses, TouchesOnlyWhatDiffers) {
  const std::vector present = {address("10.0.0.1/32"), address("10.0.0.9/24"), address("fd00::1/128"),
                               address("fe80::7/64")};
  const std::vector wanted = {ip("10.0.0.1"), ip("fd00::1"), ip("fd00::2")};
  const auto plan = plan_addresses(present, wanted);
  EXPECT_TRUE(plan.remove_first.empty());
  EXPECT_EQ(plan.add, std::vector{ip("fd00::2")});
  EXPECT_EQ(plan.remove, std::vector{address("10.0.0.9/24")});
}

TEST(PlanAddresses, CorrectsALengthInTheOrderThatEachFamilyNeeds) {
  const std::vector present = {address("10.0.0.1/24"), address("fd00::1/64")};
  const std::vector wanted = {ip("10.0.0.1"), ip("fd00::1")};
  const auto plan = plan_addresses(present, wanted);
  EXPECT_EQ(plan.remove_first, std::vector{address("fd00::1/64")});
  EXPECT_EQ(plan.add, wanted);
  EXPECT_EQ(plan.remove, std::vector{address("10.0.0.1/24")});
}

TEST(PlanAddresses, ReplacesAPointToPointAddress) {
  const std::vector<Address> present = {{0, prefix("10.0.0.1/32"), ip("10.0.0.2")}};
  const std::vector wanted = {ip("10.0.0.1")};
  const auto plan = plan_addresses(present, wanted);
  EXPECT_EQ(plan.add, wanted);
  EXPECT_EQ(plan.remove, present);
}

TEST(PlanAddresses, LinkLocalIsFe80Slash10) {
  const std::vector present = {address("fe80::1/64"), address("febf::1/64"), address("fec0::1/64"),
                               address("fe7f::1/64")};
  EXPECT_EQ(plan_addresses(present, {}).remove, (std::vector{address("fec0::1/64"), address("fe7f::1/64")}));
}

// --- Routes

WireguardImage routed(std::vector<Ip> addresses, std::vector<Prefix> routes) {
  WireguardImage result;
  result.addresses = std::move(addresses);
  result.routes = std::move(routes);
  return result;
}

RoutePlan plan_routes(std::span<const LinkRoute> present, const WireguardImage& image) {
  RoutePlan plan;
  for (const Family family : {Family::v4, Family::v6}) {
    RoutePlanner planner(image, family);
    for (const LinkRoute& route : present) {
      if (route.prefix.ip.family == family) {
        planner.add(route);
      }
    }
    planner.finish(plan);
  }
  return plan;
}

TEST(PlanRoutes, GivesEachFamilyItsFirstAddressAsSource) {
  const auto plan = plan_routes({}, routed({ip("fd00::1"), ip("10.0.0.1"), ip("10.0.0.2"), ip("fd00::2")},
                                           {prefix("10.1.0.0/16"), prefix("fd01::/64")}));
  EXPECT_EQ(plan.add, (std::vector<LinkRoute>{{prefix("10.1.0.0/16"), ip("10.0.0.1"), kRouteProtocol},
                                              {prefix("fd01::/64"), ip("fd00::1"), kRouteProtocol}}));
}

TEST(PlanRoutes, NeedsNoSourceWithoutAnAddressOfTheFamily) {
  const auto plan = plan_routes({}, routed({ip("10.0.0.1")}, {prefix("fd01::/64")}));
  EXPECT_EQ(plan.add, (std::vector<LinkRoute>{{prefix("fd01::/64"), std::nullopt, kRouteProtocol}}));
}

TEST(PlanRoutes, LeavesOutItsOwnAddressesButNotPrefixesAroundThem) {
  const auto plan = plan_routes({}, routed({ip("10.0.0.1")}, {prefix("10.0.0.1/32"), prefix("10.0.0.0/24")}));
  ASSERT_EQ(plan.add.size(), 1U);
  EXPECT_EQ(plan.add[0].prefix, prefix("10.0.0.0/24"));
}

TEST(PlanRoutes, RemovesOnlyItsOwnAndTakesOverWhatIsWanted) {
  const std::vector<LinkRoute> present = {
      {prefix("10.1.0.0/16"), ip("10.0.0.1"), kRouteProtocol},  // as wanted
      {prefix("10.2.0.0/16"), ip("10.0.0.9"), kRouteProtocol},  // an older source
      {prefix("10.3.0.0/16"), ip("10.0.0.1"), 3},               // another's, wanted
      {prefix("10.4.0.0/16"), ip("10.0.0.1"), kRouteProtocol},  // no longer wanted
      {prefix("10.5.0.0/16"), std::nullopt, 3},                 // another's
  };
  const auto plan = plan_routes(
      present, routed({ip("10.0.0.1")}, {prefix("10.1.0.0/16"), prefix("10.2.0.0/16"), prefix("10.3.0.0/16")}));
  EXPECT_TRUE(plan.add.empty());
  EXPECT_EQ(plan.remove, std::vector{present[3]});
  EXPECT_EQ(plan.replace, (std::vector<LinkRoute>{{prefix("10.2.0.0/16"), ip("10.0.0.1"), kRouteProtocol},
                                                  {prefix("10.3.0.0/16"), ip("10.0.0.1"), kRouteProtocol}}));
}

TEST(PlanRoutes, TakesTheRoutesThatAreThereInAnyOrder) {
  const auto image = routed({ip("10.0.0.1"), ip("fd00::1")},
                            {prefix("10.1.0.0/16"), prefix("10.2.0.0/16"), prefix("fd01::/64"), prefix("fd02::/64")});
  const LinkRoute first{prefix("10.1.0.0/16"), ip("10.0.0.1"), kRouteProtocol};
  const LinkRoute second{prefix("10.2.0.0/16"), ip("10.0.0.1"), kRouteProtocol};
  const LinkRoute third{prefix("fd01::/64"), ip("fd00::1"), kRouteProtocol};
  const LinkRoute fourth{prefix("fd02::/64"), ip("fd00::1"), kRouteProtocol};
  const std::vector present = {fourth, second, third, first};
  const auto plan = plan_routes(present, image);
  EXPECT_TRUE(plan.add.empty() && plan.replace.empty() && plan.remove.empty());
  EXPECT_EQ(plan_routes(std::vector{fourth, second, first}, image).add, std::vector{third});
}

}  // namespace
}  // namespace krait::wireguard
