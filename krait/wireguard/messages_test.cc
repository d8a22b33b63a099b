// What we send, read back: by our own readers where the kernel's answers have the same shape, else attribute by
// attribute.
#include <gtest/gtest.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/wireguard.h>

#include <algorithm>
#include <array>
#include <memory>

#include "common/netlink/attributes.h"
#include "common/netlink/message.h"
#include "krait/wireguard/device.h"

namespace krait::wireguard {
namespace {

using common::Endpoint;
using common::Ip;
using common::Prefix;
using netlink::attribute_value;
using netlink::find_attributes;
using netlink::for_each_attribute;
using netlink::for_each_message;
using netlink::Message;
using netlink::message_header;

constexpr std::uint16_t kFamily = 0x20;
constexpr std::uint32_t kIndex = 7;

Prefix prefix(const char* text) { return Prefix::parse(text).value(); }

PeerUpdate update(std::uint8_t number, std::size_t allowed_ips) {
  PeerUpdate result;
  result.public_key.fill(number);
  for (std::size_t i = 0; i < allowed_ips; ++i) {
    Prefix host = i % 2 == 0 ? prefix("10.0.0.0/32") : prefix("fd00::/128");
    host.ip.bytes[1] = number;
    host.ip.bytes[2] = static_cast<std::uint8_t>(i >> 8U);
    host.ip.bytes[3] = static_cast<std::uint8_t>(i);
    result.allowed_ips.push_back(host);
  }
  return result;
}

std::span<const std::byte> bytes_of(const Message& message) {
  return {reinterpret_cast<const std::byte*>(&message.header()), message.header().nlmsg_len};
}

DeviceState decode(const std::vector<Message>& messages) {
  DeviceState device;
  for (const Message& message : messages) {
    EXPECT_FALSE(message.overflown());
    EXPECT_TRUE(for_each_message(bytes_of(message), [&](const nlmsghdr& header) {
      EXPECT_TRUE(parse_device(header, device));
      return common::Result<void>{};
    }));
  }
  return device;
}

// The flags of the peers in each message.
std::vector<std::vector<std::uint32_t>> flags_of(const std::vector<Message>& messages) {
  std::vector<std::vector<std::uint32_t>> flags;
  for (const Message& message : messages) {
    flags.emplace_back();
    const auto table = find_attributes<WGDEVICE_A_PEERS + 1>(message.header(), sizeof(genlmsghdr));
    for_each_attribute(*table[WGDEVICE_A_PEERS], [&](const nlattr& peer) {
      const auto in_peer = find_attributes<WGPEER_A_FLAGS + 1>(peer);
      flags.back().push_back(attribute_value<std::uint32_t>(in_peer[WGPEER_A_FLAGS]).value_or(0));
    });
  }
  return flags;
}

TEST(PeerMessages, CarryEverything) {
  std::vector<PeerUpdate> updates = {update(1, 3), update(2, 0), update(3, 1)};
  updates[0].endpoint = Endpoint::parse("192.0.2.1:51820");
  updates[1].endpoint = Endpoint::parse("[2001:db8::1]:4000");
  const std::array<std::uint8_t, 32> preshared{9};
  updates[0].keepalive_s = 25;
  updates[2].preshared_key = std::make_shared<const crypto::Secret>(crypto::Secret::of(preshared));
  const auto messages = peer_messages(kFamily, kIndex, updates);
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0].header().nlmsg_type, kFamily);
  EXPECT_EQ(message_header<genlmsghdr>(messages[0].header())->cmd, WG_CMD_SET_DEVICE);
  const DeviceState device = decode(messages);
  EXPECT_EQ(device.index, kIndex);
  ASSERT_EQ(device.peers.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(device.peers[i].public_key, updates[i].public_key);
    EXPECT_EQ(device.peers[i].endpoint, updates[i].endpoint);
    EXPECT_EQ(device.peers[i].allowed_ips, updates[i].allowed_ips);
    EXPECT_EQ(device.peers[i].keepalive_s, updates[i].keepalive_s.value_or(0));
    EXPECT_EQ(device.peers[i].preshared_id, i == 2 ? preshared_id(preshared) : crypto::Hash{});
  }
  EXPECT_EQ(flags_of(messages), (std::vector<std::vector<std::uint32_t>>{{0, 0, 0}}));
}

TEST(PeerMessages, NothingToSayIsNoMessage) { EXPECT_TRUE(peer_messages(kFamily, kIndex, {}).empty()); }

TEST(PeerMessages, ContinueAPeerWithoutCreatingItAgain) {
  std::vector<PeerUpdate> updates = {update(1, 20), update(2, 1)};
  updates[0].endpoint = Endpoint::parse("192.0.2.1:51820");
  const auto messages = peer_messages(kFamily, kIndex, updates, 256);
  const auto flags = flags_of(messages);
  ASSERT_GT(messages.size(), 3U);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    ASSERT_FALSE(flags[i].empty());
    EXPECT_LE(messages[i].header().nlmsg_len, 256U);
    const bool is_second_peer = i + 1 == messages.size() && flags[i].size() == 1;
    EXPECT_EQ(flags[i][0], i == 0 || is_second_peer ? 0U : unsigned{WGPEER_F_UPDATE_ONLY});
  }
  EXPECT_EQ(flags.back().back(), 0U);
  const DeviceState device = decode(messages);
  ASSERT_EQ(device.peers.size(), 2U);
  EXPECT_EQ(device.peers[0].allowed_ips, updates[0].allowed_ips);
  EXPECT_EQ(device.peers[0].endpoint, updates[0].endpoint);
  DeviceState continued;
  ASSERT_TRUE(parse_device(messages[1].header(), continued));
  EXPECT_EQ(continued.peers.at(0).endpoint, std::nullopt) << "the peer may have roamed meanwhile";
}

TEST(PeerMessages, HoldAtEveryCapacity) {
  const std::vector<PeerUpdate> updates = {update(1, 5), update(2, 0), update(3, 40), update(4, 1), update(5, 7)};
  for (std::size_t capacity = 256; capacity < 2048; capacity += 4) {
    const DeviceState device = decode(peer_messages(kFamily, kIndex, updates, capacity));
    ASSERT_EQ(device.peers.size(), updates.size()) << capacity;
    for (std::size_t i = 0; i < updates.size(); ++i) {
      ASSERT_EQ(device.peers[i].allowed_ips, updates[i].allowed_ips) << capacity;
    }
  }
}

TEST(PeerMessages, MarkARemoval) {
  std::vector<PeerUpdate> updates = {update(1, 0)};
  updates[0].remove = true;
  EXPECT_EQ(flags_of(peer_messages(kFamily, kIndex, updates)),
            (std::vector<std::vector<std::uint32_t>>{{WGPEER_F_REMOVE_ME}}));
}

TEST(ParseDevice, JoinsAPeerThatSpansMessages) {
  DeviceState device;
  for (const std::size_t allowed_ips : {3U, 2U}) {
    const PeerUpdate part = update(9, allowed_ips);
    for (const Message& message : peer_messages(kFamily, kIndex, {&part, 1})) {
      ASSERT_TRUE(parse_device(message.header(), device));
    }
  }
  ASSERT_EQ(device.peers.size(), 1U);
  EXPECT_EQ(device.peers[0].allowed_ips.size(), 5U);
}

TEST(ParseDevice, RefusesAPeerWithoutAKeyAndAnImpossibleLength) {
  Message no_key(kFamily, 0);
  no_key.put_header(genlmsghdr{.cmd = WG_CMD_GET_DEVICE, .version = 1, .reserved = 0});
  const auto list = no_key.begin_nest(WGDEVICE_A_PEERS);
  no_key.end_nest(no_key.begin_nest(0));
  no_key.end_nest(list);
  DeviceState device;
  EXPECT_FALSE(parse_device(no_key.header(), device));

  PeerUpdate wrong = update(1, 1);
  wrong.allowed_ips[0].length = 33;
  EXPECT_FALSE(parse_device(peer_messages(kFamily, kIndex, {&wrong, 1})[0].header(), device));
  EXPECT_FALSE(parse_device(Message(kFamily, 0).header(), device));
}

// --- DeviceComparison

// What a dump says first.
Message device_part(std::uint16_t port, const model::PublicKey& key) {
  Message message(kFamily, 0);
  message.put_header(genlmsghdr{.cmd = WG_CMD_GET_DEVICE, .version = 1, .reserved = 0});
  message.put_number(WGDEVICE_A_IFINDEX, kIndex);
  message.put_number(WGDEVICE_A_LISTEN_PORT, port);
  message.put(WGDEVICE_A_PUBLIC_KEY, std::as_bytes(std::span(key)));
  return message;
}

class Comparison : public testing::Test {
 protected:
  void SetUp() override {
    image_.listen_port = 51820;
    for (std::uint8_t i = 1; i <= 4; ++i) {
      PeerUpdate peer = update(i, i);
      std::ranges::sort(peer.allowed_ips);
      image_.peers.push_back({peer.public_key, Endpoint::parse("192.0.2.1:1"), peer.allowed_ips});
      peer.endpoint = Endpoint::parse("198.51.100.9:9");  // it has roamed
      peers_.push_back(peer);
    }
  }

  // Of a device with peers_, dumped in messages of this size.
  bool same(std::size_t capacity_bytes = 4096, std::uint16_t port = 51820, const model::PublicKey& key = {7}) {
    const model::PublicKey wanted{7};
    DeviceComparison comparison(image_, wanted);
    EXPECT_TRUE(comparison.add(device_part(port, key).header()));
    for (const Message& message : peer_messages(kFamily, kIndex, peers_, capacity_bytes)) {
      EXPECT_TRUE(comparison.add(message.header()));
    }
    return comparison.same();
  }

  model::WireguardImage image_;
  std::vector<PeerUpdate> peers_;
};

TEST_F(Comparison, KnowsTheSameInAnyOrderAndInPieces) {
  do {
    for (std::size_t capacity = 256; capacity < 1024; capacity += 4) {
      EXPECT_TRUE(same(capacity)) << capacity;
    }
  } while (std::ranges::next_permutation(peers_, {}, &PeerUpdate::public_key).found);
  std::ranges::reverse(peers_[0].allowed_ips);
  EXPECT_TRUE(same());
  EXPECT_TRUE(same(256));
  image_.peers[0].endpoint.reset();
  EXPECT_TRUE(same());
}

TEST_F(Comparison, SeesEveryDifference) {
  EXPECT_FALSE(same(4096, 51821));
  EXPECT_FALSE(same(4096, 51820, {8}));
  const auto good = peers_;
  const auto differs = [&](const auto& change) {
    peers_ = good;
    change();
    return !same() && !same(256);
  };
  EXPECT_TRUE(differs([&] { peers_.pop_back(); }));
  EXPECT_TRUE(differs([&] { peers_.erase(peers_.begin()); }));
  EXPECT_TRUE(differs([&] { peers_.clear(); }));
  EXPECT_TRUE(differs([&] { peers_[2] = peers_[3]; }));
  EXPECT_TRUE(differs([&] { peers_.push_back(update(9, 1)); }));
  EXPECT_TRUE(differs([&] { peers_.insert(peers_.begin(), update(9, 0)); }));
  EXPECT_TRUE(differs([&] { peers_[1].public_key[31] = 1; }));
  EXPECT_TRUE(differs([&] { peers_[2].allowed_ips.pop_back(); }));
  EXPECT_TRUE(differs([&] { peers_[3].allowed_ips.pop_back(); }));
  EXPECT_TRUE(differs([&] { peers_[2].allowed_ips[1].length = 24; }));
  EXPECT_TRUE(differs([&] { peers_[2].allowed_ips.push_back(prefix("10.77.0.0/16")); }));
  EXPECT_TRUE(differs([&] { peers_[2].endpoint.reset(); }));
}

// In a network a preshared key is the pair's, or none: whatever else a peer has is seen.
TEST_F(Comparison, ComparesKeysOfPairs) {
  const auto key = std::make_shared<const crypto::Secret>(crypto::Secret::random());
  const auto another = std::make_shared<const crypto::Secret>(crypto::Secret::random());
  peers_[1].preshared_key = another;
  EXPECT_TRUE(same()) << "without a network they are whoever's who set them";
  image_.is_network = true;
  EXPECT_FALSE(same());
  EXPECT_FALSE(same(256));
  image_.peers[1].pair_id = preshared_id(another->bytes());
  EXPECT_TRUE(same());
  EXPECT_TRUE(same(256));
  image_.peers[1].pair_id = preshared_id(key->bytes());
  EXPECT_FALSE(same());
  peers_[1].preshared_key.reset();
  peers_[1].without_preshared_key = true;
  EXPECT_FALSE(same());
  image_.peers[1].pair_id = {};
  EXPECT_TRUE(same());
}

TEST_F(Comparison, TakesAnyCutMessage) {
  const auto messages = peer_messages(kFamily, kIndex, peers_);
  for (std::uint32_t length = 0; length < messages[0].header().nlmsg_len; ++length) {
    Message cut = std::move(peer_messages(kFamily, kIndex, peers_)[0]);
    cut.header().nlmsg_len = static_cast<std::uint32_t>(sizeof(nlmsghdr)) + length;
    const model::PublicKey key{7};
    DeviceComparison comparison(image_, key);
    static_cast<void>(comparison.add(cut.header()));
    if (cut.header().nlmsg_len < messages[0].header().nlmsg_len) {
      EXPECT_FALSE(comparison.same()) << length;
    }
  }
}

}  // namespace
}  // namespace krait::wireguard
