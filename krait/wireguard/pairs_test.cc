// What the kernel is told of keys that hosts compute with each other, from images alone.
#include "krait/wireguard/pairs.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "common/test_folder.h"
#include "krait/crypto/pair.h"
#include "krait/wireguard/rotation.h"
#include "krait/wireguard/sync.h"

namespace krait::wireguard {
namespace {

using model::WireguardImage;
using model::WireguardPeer;

model::PublicKey key(std::uint8_t number) {
  model::PublicKey key{};
  key[0] = number;
  return key;
}

crypto::SigningKey host(std::uint8_t number) {
  std::array<std::uint8_t, 32> seed{};
  seed.fill(number);
  return crypto::SigningKey::of(crypto::Secret::of(seed));
}

class PairsTest : public testing::Test {
 protected:
  // Of host `own`, which has all others as peers.
  WireguardImage image(std::uint8_t own, std::initializer_list<std::uint8_t> others) {
    const std::string file = folder_.at(std::to_string(own));
    if (::access(file.c_str(), F_OK) != 0) {
      EXPECT_TRUE(crypto::pair_secret(host(own)).save(file));
    }
    WireguardImage made;
    made.is_network = true;
    made.pair_keys = model::PairKeys{.file = file, .host_key = host(own).verify_key().bytes, .network = {1}};
    for (const std::uint8_t other : others) {
      WireguardPeer peer;
      peer.public_key = key(other);
      peer.host_key = host(other).verify_key().bytes;
      made.peers.push_back(peer);
    }
    return made;
  }

  static WireguardImage completed(WireguardImage image, const WireguardImage* former = nullptr) {
    const auto done = complete_pairs(image, former);
    EXPECT_TRUE(done) << (done ? "" : done.error().text());
    return image;
  }

  common::TestFolder folder_;
};

TEST_F(PairsTest, AreTheSameAtBothEndsAndOthersForOtherPairs) {
  const WireguardImage one = completed(image(1, {2, 3}));
  const WireguardImage two = completed(image(2, {1, 3}));
  const WireguardImage three = completed(image(3, {1, 2}));
  EXPECT_EQ(one.peers[0].pair_id, two.peers[0].pair_id);
  EXPECT_EQ(one.peers[1].pair_id, three.peers[0].pair_id);
  EXPECT_EQ(two.peers[1].pair_id, three.peers[1].pair_id);
  EXPECT_NE(one.peers[0].pair_id, one.peers[1].pair_id);
  EXPECT_NE(one.peers[0].pair_id, two.peers[1].pair_id);
  WireguardImage elsewhere = image(1, {2});
  elsewhere.pair_keys->network = {2};
  EXPECT_NE(completed(elsewhere).peers[0].pair_id, one.peers[0].pair_id);
  const auto computed = crypto::pair_key(crypto::pair_secret(host(1)),
                                         {.own = host(1).verify_key(), .other = host(2).verify_key(), .network = {1}});
  ASSERT_TRUE(computed);
  EXPECT_EQ(one.peers[0].pair_id, preshared_id(computed->bytes()));
}

TEST_F(PairsTest, AreNotComputedTwice) {
  WireguardImage former = completed(image(1, {2, 3}));
  former.peers[0].pair_id = {42};  // what was computed is believed
  const WireguardImage next = completed(image(1, {2, 3, 4}), &former);
  EXPECT_EQ(next.peers[0].pair_id, (crypto::Hash{42}));
  WireguardImage another = image(1, {2, 3});
  another.peers[0].host_key = host(9).verify_key().bytes;  // it joined anew, with the WireGuard key that it had
  EXPECT_NE(completed(another, &former).peers[0].pair_id, (crypto::Hash{42}));
  WireguardImage elsewhere = image(1, {2});
  elsewhere.pair_keys->network = {2};
  EXPECT_NE(completed(elsewhere, &former).peers[0].pair_id, (crypto::Hash{42}));
}

TEST_F(PairsTest, LeaveNoPeerWithoutOne) {
  WireguardImage wanted = image(1, {2, 3, 4});
  wanted.peers[1].host_key = {};
  wanted.peers[2].host_key = {1};  // of small order
  wanted = completed(wanted);
  ASSERT_EQ(wanted.peers.size(), 1U);
  EXPECT_EQ(wanted.peers[0].public_key, key(2));
  EXPECT_EQ(wanted.unpaired, (std::vector{key(3), key(4)}));
}

TEST_F(PairsTest, AreRefusedWithoutWhatTheyAreComputedBy) {
  WireguardImage wanted = image(1, {2});
  const std::string file = wanted.pair_keys->file;
  wanted.pair_keys->host_key = host(7).verify_key().bytes;
  const auto of_another = complete_pairs(wanted, nullptr);
  ASSERT_FALSE(of_another);
  EXPECT_NE(of_another.error().text().find("not of the key that the network knows this host by"), std::string::npos);
  wanted = image(1, {2});
  ASSERT_EQ(::chmod(file.c_str(), 0640), 0);
  const auto open_to_others = complete_pairs(wanted, nullptr);
  ASSERT_FALSE(open_to_others);
  EXPECT_NE(open_to_others.error().text().find("chmod 600"), std::string::npos);
  std::filesystem::remove(file);
  const auto missing = complete_pairs(wanted, nullptr);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().text().find("systemctl restart krait-agent"), std::string::npos) << missing.error().text();
  wanted.pair_keys.reset();
  EXPECT_TRUE(complete_pairs(wanted, nullptr)) << "who needs none needs no file";
}

DeviceState device_with(const WireguardImage& image, const crypto::Hash& id) {
  DeviceState state;
  for (const WireguardPeer& peer : image.peers) {
    state.peers.emplace_back().public_key = peer.public_key;
    state.peers.back().preshared_id = id;
  }
  return state;
}

TEST_F(PairsTest, GoWhereTheNetworkHasNoneAnyMoreWhoeverSetThem) {
  WireguardImage off = image(1, {2});
  off.pair_keys.reset();
  const DeviceState device = device_with(off, {7});
  const PeerPlan plan = plan_peers(device, off, nullptr, 0);  // an agent that was killed before it took them away
  ASSERT_EQ(plan.updates.size(), 1U);
  EXPECT_TRUE(plan.updates[0].without_preshared_key);
  off.is_network = false;
  EXPECT_TRUE(plan_peers(device, off, nullptr, 0).updates.empty()) << "by files they are whoever's who set them";
}

TEST_F(PairsTest, ReplaceWhateverThePeerHas) {
  const WireguardImage on = completed(image(1, {2}));
  auto secret = std::make_shared<const crypto::Secret>(crypto::Secret::random());
  const PeerPlan plan = plan_peers(device_with(on, {7}), on, &on, 0, {{key(2), secret}});
  ASSERT_EQ(plan.updates.size(), 1U);
  EXPECT_EQ(plan.updates[0].preshared_key, secret);
  EXPECT_TRUE(plan_peers(device_with(on, on.peers[0].pair_id), on, &on, 0).updates.empty());
}

TEST_F(PairsTest, AreNotTakenFromWhoHasTheRightOne) {
  const WireguardImage on = image(1, {2});  // not completed
  auto secret = std::make_shared<const crypto::Secret>(crypto::Secret::random());
  EXPECT_TRUE(
      plan_peers(device_with(on, preshared_id(secret->bytes())), on, &on, 0, {{key(2), secret}}).updates.empty());
}

// A host's next WireGuard key is still that host's.
TEST_F(PairsTest, FollowAHostToItsNextKey) {
  WireguardImage on = image(1, {2});
  on.peers[0].next_public_key = key(9);
  on = completed(on);
  const WireguardImage followed = follow_announced(on, {});
  ASSERT_EQ(followed.peers.size(), 2U);
  EXPECT_EQ(followed.peers[1].public_key, key(9));
  EXPECT_EQ(followed.peers[1].pair_id, on.peers[0].pair_id);
  EXPECT_EQ(followed.peers[1].host_key, on.peers[0].host_key);
  EXPECT_TRUE(followed.is_network);
}

}  // namespace
}  // namespace krait::wireguard
