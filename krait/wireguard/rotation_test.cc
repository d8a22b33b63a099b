#include "krait/wireguard/rotation.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace krait::wireguard {
namespace {

constexpr model::PublicKey kPresent{5};
constexpr model::PublicKey kNext{3};
constexpr model::PublicKey kOther{9};

const std::vector<common::Prefix> kAllowed{common::Prefix::host(*common::Ip::parse("10.90.0.2"))};

model::WireguardImage image() {
  model::WireguardImage image;
  image.peers = {{.public_key = kPresent, .endpoint = {}, .allowed_ips = kAllowed, .next_public_key = kNext},
                 {.public_key = kOther, .endpoint = {}, .allowed_ips = {}}};
  return image;
}

DeviceState device(std::int64_t present_s, std::int64_t next_s, bool next_has_addresses = false) {
  DeviceState device;
  device.peers.resize(2);
  device.peers[0].public_key = kNext;
  device.peers[0].last_handshake_s = next_s;
  device.peers[1].public_key = kPresent;
  device.peers[1].last_handshake_s = present_s;
  device.peers[next_has_addresses ? 0 : 1].allowed_ips = kAllowed;
  return device;
}

const model::WireguardPeer& peer(const model::WireguardImage& image, const model::PublicKey& key) {
  return *std::ranges::find(image.peers, key, &model::WireguardPeer::public_key);
}

TEST(Rotation, BothKeysArePeersAndOneHasTheAddresses) {
  const auto followed = follow_announced(image(), {});
  ASSERT_EQ(followed.peers.size(), 3U);
  EXPECT_TRUE(std::ranges::is_sorted(followed.peers, {}, &model::WireguardPeer::public_key));
  EXPECT_EQ(peer(followed, kPresent).allowed_ips, kAllowed);
  EXPECT_TRUE(peer(followed, kNext).allowed_ips.empty());
}

TEST(Rotation, TheAddressesFollowTheSession) {
  EXPECT_EQ(peer(follow_announced(image(), device(100, 0)), kPresent).allowed_ips, kAllowed);
  EXPECT_EQ(peer(follow_announced(image(), device(100, 99)), kPresent).allowed_ips, kAllowed);
  for (const std::int64_t next_s : {100, 101}) {
    const auto followed = follow_announced(image(), device(100, next_s));
    EXPECT_EQ(peer(followed, kNext).allowed_ips, kAllowed) << next_s;
    EXPECT_TRUE(peer(followed, kPresent).allowed_ips.empty()) << next_s;
  }
  EXPECT_EQ(peer(follow_announced(image(), device(0, 7)), kNext).allowed_ips, kAllowed) << "after a reboot";
}

TEST(Rotation, SaysWhenThereIsSomethingToMove) {
  EXPECT_FALSE(has_gone_over(image(), {}));
  EXPECT_FALSE(has_gone_over(image(), device(100, 0)));
  EXPECT_TRUE(has_gone_over(image(), device(100, 101)));
  EXPECT_FALSE(has_gone_over(image(), device(100, 101, true)));
  model::WireguardImage without = image();
  without.peers[0].next_public_key.reset();
  EXPECT_FALSE(has_gone_over(without, device(100, 101)));
}

}  // namespace
}  // namespace krait::wireguard
