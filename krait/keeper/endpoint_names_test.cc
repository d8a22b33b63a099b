#include "krait/keeper/endpoint_names.h"

#include <gtest/gtest.h>

namespace krait::keeper {
namespace {

using common::Endpoint;
using common::Ip;
using wireguard::PeerEndpoint;
using wireguard::PeerStatus;

constexpr std::int64_t kNow = 2'000'000'000;
constexpr std::int64_t kDead = kNow - wireguard::kSessionLifeS;

using Names = std::vector<std::string>;

model::PublicKey key(std::uint8_t n) { return {n}; }
Ip ip(const char* text) { return Ip::parse(text).value(); }
Endpoint endpoint(const char* text) { return Endpoint::parse(text).value(); }

model::Peer peer(std::uint8_t n, const char* name) {
  model::Peer peer;
  peer.public_key = key(n);
  peer.named_endpoint = {name, 51820};
  peer.addresses = {{ip(("10.90.0." + std::to_string(n)).c_str()), {}}};
  return peer;
}

PeerStatus status(std::uint8_t n, const char* at, std::int64_t last_handshake_s, std::uint64_t sent_bytes = 0) {
  PeerStatus status;
  status.public_key = key(n);
  if (at != nullptr) {
    status.endpoint = endpoint(at);
  }
  status.last_handshake_s = last_handshake_s;
  status.sent_bytes = sent_bytes;
  return status;
}

class EndpointNamesTest : public testing::Test {
 protected:
  void configure(std::vector<model::Peer> peers) {
    model::Mesh mesh;
    mesh.peers = std::move(peers);
    names_.configure(mesh);
  }
  std::vector<PeerEndpoint> answered(const char* name, std::vector<Ip> addresses, const PeerStatus& present) {
    return names_.answered(name, addresses, std::vector{present}, kNow);
  }
  Names due(const PeerStatus& present, std::int64_t now_s = kNow) { return names_.due(std::vector{present}, now_s); }

  EndpointNames names_;
};

TEST_F(EndpointNamesTest, AddressesAreLeftAlone) {
  model::Peer plain = peer(1, "unused");
  plain.named_endpoint.reset();
  configure({plain});
  EXPECT_TRUE(names_.empty());
  EXPECT_EQ(due(status(1, nullptr, 0)), Names{});
  EXPECT_EQ(names_.find(key(1)), nullptr);
}

TEST_F(EndpointNamesTest, APeerWithoutEndpointIsDueEveryTime) {
  configure({peer(1, "a.example")});
  EXPECT_EQ(due(status(1, nullptr, 0)), Names{"a.example"});
  EXPECT_EQ(due(status(1, nullptr, 0)), Names{"a.example"});
  EXPECT_EQ(due(status(9, nullptr, 0)), Names{}) << "a peer of nobody's";
}

TEST_F(EndpointNamesTest, ADeadSessionIsDueWhileThePeerIsCalled) {
  configure({peer(1, "a.example")});
  EXPECT_EQ(due(status(1, "192.0.2.1:51820", kDead, 100)), Names{"a.example"}) << "at the agent's start";
  EXPECT_EQ(due(status(1, "192.0.2.1:51820", kDead, 100)), Names{}) << "idle";
  EXPECT_EQ(due(status(1, "192.0.2.1:51820", kDead, 248)), Names{"a.example"}) << "it calls in vain";
  EXPECT_EQ(due(status(1, "192.0.2.1:51820", kDead + 1, 500)), Names{}) << "it lives";
  EXPECT_EQ(due(status(1, "192.0.2.1:51820", 0, 600)), Names{"a.example"}) << "never met";
  EXPECT_EQ(due(status(1, "192.0.2.1:51820", kNow + 1, 700)), Names{"a.example"}) << "the clock was set back";
}

TEST_F(EndpointNamesTest, TheBestAddressBecomesTheEndpoint) {
  configure({peer(1, "a.example"), peer(2, "b.example")});
  const std::vector<PeerEndpoint> wanted{{key(1), endpoint("[2001:db8::7]:51820")}};
  EXPECT_EQ(answered("a.example", {ip("2001:db8::7"), ip("192.0.2.7")}, status(1, nullptr, 0)), wanted);
  EXPECT_EQ(answered("a.example", {ip("2001:db8::7"), ip("192.0.2.7")}, status(1, "192.0.2.6:51820", kDead)), wanted);
  EXPECT_TRUE(answered("a.example", {ip("192.0.2.7")}, status(2, nullptr, 0)).empty()) << "another's name";
  EXPECT_TRUE(answered("a.example", {}, status(1, nullptr, 0)).empty());
}

TEST_F(EndpointNamesTest, AnAnswerThatHoldsThePresentEndpointChangesNothing) {
  configure({peer(1, "a.example")});
  EXPECT_TRUE(answered("a.example", {ip("192.0.2.6"), ip("192.0.2.7")}, status(1, "192.0.2.7:51820", 0)).empty());
  EXPECT_FALSE(answered("a.example", {ip("192.0.2.6"), ip("192.0.2.7")}, status(1, "192.0.2.7:4", 0)).empty())
      << "another port";
}

TEST_F(EndpointNamesTest, ALivingSessionKeepsWhereItRoamed) {
  configure({peer(1, "a.example")});
  EXPECT_TRUE(answered("a.example", {ip("192.0.2.7")}, status(1, "198.51.100.1:7", kDead + 1)).empty());
  configure({peer(1, "a.example")});
  EXPECT_EQ(due(status(1, "198.51.100.1:7", kDead + 1)), Names{}) << "a reload with the same name";
  EXPECT_TRUE(answered("a.example", {ip("192.0.2.7")}, status(1, "198.51.100.1:7", kDead + 1)).empty());
}

TEST_F(EndpointNamesTest, AChangedNameHoldsAtOnceAndOnce) {
  configure({peer(1, "a.example")});
  configure({peer(1, "b.example")});
  EXPECT_EQ(due(status(1, "192.0.2.1:51820", kNow)), Names{"b.example"});
  const std::vector<PeerEndpoint> wanted{{key(1), endpoint("192.0.2.7:51820")}};
  EXPECT_EQ(answered("b.example", {ip("192.0.2.7")}, status(1, "192.0.2.1:51820", kNow)), wanted);
  EXPECT_TRUE(answered("b.example", {ip("192.0.2.8")}, status(1, "192.0.2.7:51820", kNow)).empty());
}

TEST_F(EndpointNamesTest, WhatTheTunnelCarriesIsNoEndpoint) {
  model::Peer routed = peer(1, "a.example");
  routed.routes = {{common::Prefix::parse("10.20.0.0/16").value(), {}, {}}};
  configure({routed, peer(2, "b.example")});
  const std::vector<Ip> carried{ip("10.20.3.4"), ip("10.90.0.2")};
  EXPECT_TRUE(names_.all_carried(carried));
  EXPECT_TRUE(answered("a.example", carried, status(1, nullptr, 0)).empty());
  const std::vector<PeerEndpoint> wanted{{key(1), endpoint("192.0.2.7:51820")}};
  EXPECT_EQ(answered("a.example", {ip("10.20.3.4"), ip("192.0.2.7")}, status(1, nullptr, 0)), wanted);
}

TEST_F(EndpointNamesTest, AFailureIsNewsOnce) {
  configure({peer(1, "a.example")});
  EXPECT_TRUE(names_.failed("a.example", "not found"));
  EXPECT_FALSE(names_.failed("a.example", "not found"));
  EXPECT_TRUE(names_.failed("a.example", "timed out"));
  configure({peer(1, "a.example")});
  EXPECT_EQ(names_.find(key(1))->failure, "timed out");
  answered("a.example", {ip("192.0.2.7")}, status(1, nullptr, 0));
  EXPECT_EQ(names_.find(key(1))->failure, "");
  EXPECT_FALSE(names_.failed("nobody.example", "not found"));
}

}  // namespace
}  // namespace krait::keeper
