// The whole of krait/wireguard on the kernel's WireGuard, in a network namespace of its own. Needs root.
#include "krait/wireguard/device.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "common/fd.h"
#include "common/netlink/links.h"
#include "krait/crypto/pair.h"
#include "krait/wireguard/pairs.h"
#include "krait/wireguard/wireguard.h"

namespace krait::wireguard {
namespace {

using common::Endpoint;
using common::ErrorCode;
using common::Fd;
using common::Ip;
using common::Prefix;
using model::PublicKey;
using model::WireguardImage;
using model::WireguardPeer;
using netlink::Links;

constexpr const char* kInterface = "wgtest0";

Ip ip(const char* text) { return Ip::parse(text).value(); }
Prefix prefix(const char* text) { return Prefix::parse(text).value(); }

PublicKey key_number(std::uint32_t number) {
  PublicKey key{};
  key.fill(0x11);
  key[0] = static_cast<std::uint8_t>(number >> 16U);
  key[1] = static_cast<std::uint8_t>(number >> 8U);
  key[2] = static_cast<std::uint8_t>(number);
  return key;
}

void expect_changes(const Changes& changes, const Changes& expected) {
  EXPECT_EQ(changes.peers_added, expected.peers_added);
  EXPECT_EQ(changes.peers_changed, expected.peers_changed);
  EXPECT_EQ(changes.peers_removed, expected.peers_removed);
  EXPECT_EQ(changes.addresses, expected.addresses);
  EXPECT_EQ(changes.routes, expected.routes);
  EXPECT_EQ(changes.device, expected.device);
}

Changes first_changes(std::uint32_t peers) {
  Changes changes;
  changes.peers_added = peers;
  changes.addresses = 2;
  changes.routes = 2;
  changes.device = true;
  return changes;
}

Changes peers_changed(std::uint32_t changed, std::uint32_t removed) {
  Changes changes;
  changes.peers_changed = changed;
  changes.peers_removed = removed;
  return changes;
}

Changes device_changed() {
  Changes changes;
  changes.device = true;
  return changes;
}

// A link of kind wireguard in a new namespace of this thread.
class WireguardDevice : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "skipped: needs root";
    }
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << std::strerror(errno);
    const auto index = ensure_link(kInterface);
    if (!index && index.error().code() == ErrorCode::unsupported) {
      GTEST_SKIP() << "skipped: this kernel has no WireGuard";
    }
    ASSERT_TRUE(index) << index.error().text();
    index_ = *index;
    image_.interface = kInterface;
    image_.listen_port = 51820;
    image_.addresses = {ip("10.90.0.1"), ip("fd90::1")};
    image_.routes = {prefix("10.90.0.0/16"), prefix("fd90::/64")};
    add_peer(1, Endpoint::parse("192.0.2.2:51820"), {prefix("10.20.0.0/16"), prefix("10.90.0.2/32")});
    add_peer(2, std::nullopt, {prefix("10.90.0.3/32"), prefix("fd90::3/128")});
  }

  void add_peer(std::uint32_t number, std::optional<Endpoint> endpoint, std::vector<Prefix> allowed_ips) {
    image_.peers.push_back(WireguardPeer{key_number(number), endpoint, std::move(allowed_ips)});
  }

  void withdraw_and_expect(const Changes& expected) {
    const auto done = withdraw(image_);
    ASSERT_TRUE(done) << done.error().text();
    expect_changes(*done, expected);
  }

  void apply_and_expect(const Changes& expected, const WireguardImage* previous = nullptr) {
    const auto done = apply(image_, &key_, previous);
    ASSERT_TRUE(done) << done.error().text();
    expect_changes(*done, expected);
  }

  DeviceState read() {
    auto device = Device::open();
    auto state = device ? device->read(index_) : common::Result<DeviceState>(device.error());
    EXPECT_TRUE(state) << state.error().text();
    return state ? *state : DeviceState{};
  }

  std::uint32_t index_ = 0;
  PrivateKey key_ = PrivateKey::generate();
  WireguardImage image_;
};

TEST_F(WireguardDevice, EnsureLinkAdoptsWhatIsThere) {
  const auto again = ensure_link(kInterface);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(*again, index_);
  EXPECT_EQ(link_index(kInterface).value_or(0), index_);
}

TEST_F(WireguardDevice, EnsureLinkLeavesAStrangersAsItIs) {
  auto links = Links::open();
  ASSERT_TRUE(links && links->set_group(index_, 0));  // as of everybody who does not say otherwise
  for (const std::uint32_t own_index : {0U, index_ + 1}) {
    const auto taken = ensure_link(kInterface, own_index);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code(), ErrorCode::invalid_input);
    EXPECT_NE(taken.error().text().find("krait did not make"), std::string::npos) << taken.error().text();
    EXPECT_NE(taken.error().text().find("krait-agent --iface"), std::string::npos) << taken.error().text();
    EXPECT_EQ(links->find(kInterface)->group, 0U);
  }
  EXPECT_EQ(ensure_link(kInterface, index_).value_or(0), index_) << "an earlier version made it";
  EXPECT_EQ(links->find(kInterface)->group, kLinkGroup);
  ASSERT_TRUE(links->set_group(index_, 7));
  EXPECT_EQ(ensure_link(kInterface, index_).value_or(0), index_);
  EXPECT_EQ(links->find(kInterface)->group, 7U) << "somebody has his reasons";
}

TEST_F(WireguardDevice, AppliesTheImageAndThenTouchesNothing) {
  apply_and_expect(first_changes(2));
  const DeviceState state = read();
  EXPECT_EQ(state.index, index_);
  EXPECT_EQ(state.public_key, key_.public_key());
  EXPECT_EQ(state.listen_port, 51820);
  ASSERT_EQ(state.peers.size(), 2U);
  EXPECT_EQ(state.peers[0].endpoint, image_.peers[0].endpoint);
  EXPECT_EQ(state.peers[0].allowed_ips, image_.peers[0].allowed_ips);
  EXPECT_EQ(state.peers[1].endpoint, std::nullopt);
  EXPECT_EQ(state.peers[1].allowed_ips, image_.peers[1].allowed_ips);

  auto links = Links::open();
  ASSERT_TRUE(links);
  const auto link = links->find(kInterface);
  ASSERT_TRUE(link);
  EXPECT_TRUE(link->up);
  EXPECT_EQ(link->mtu_bytes, 1420U);

  withdraw_and_expect({});
  apply_and_expect({});
  apply_and_expect({}, &image_);
}

TEST_F(WireguardDevice, GivesPeersTheirPresharedKeysAndKeepalives) {
  const std::string file = testing::TempDir() + "krait-test.psk";
  ::unlink(file.c_str());
  const auto secret = crypto::Secret::random();
  ASSERT_TRUE(secret.save(file));
  image_.peers[0].preshared_key_file = file;
  image_.peers[1].keepalive_s = 25;
  apply_and_expect(first_changes(2));
  EXPECT_EQ(read().peers[0].preshared_id, preshared_id(secret.bytes()));
  EXPECT_EQ(read().peers[1].keepalive_s, 25);
  apply_and_expect({}, &image_);
  const WireguardImage before = image_;
  image_.peers[0].preshared_key_file.clear();
  image_.peers[1].keepalive_s = 0;
  apply_and_expect(peers_changed(2, 0), &before);
  EXPECT_EQ(read().peers[0].preshared_id, crypto::Hash{});
  EXPECT_EQ(read().peers[1].keepalive_s, 0);
  ::unlink(file.c_str());
  image_.peers[0].preshared_key_file = file;
  const auto missing = apply(image_, &key_, &image_);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().text().find("read a preshared key"), std::string::npos) << missing.error().text();
}

TEST_F(WireguardDevice, GivesPeersTheKeysOfTheirPairs) {
  const std::string file = testing::TempDir() + "krait-test.pair";
  ::unlink(file.c_str());
  const auto own = crypto::SigningKey::generate();
  ASSERT_TRUE(crypto::pair_secret(own).save(file));
  for (WireguardPeer& peer : image_.peers) {
    peer.host_key = crypto::SigningKey::generate().verify_key().bytes;
  }
  image_.is_network = true;
  const WireguardImage off = image_;
  apply_and_expect(first_changes(2));
  ASSERT_EQ(is_applied(image_, key_.public_key(), &image_), true);
  image_.pair_keys = model::PairKeys{.file = file, .host_key = own.verify_key().bytes, .network = {1}};
  ASSERT_TRUE(complete_pairs(image_, nullptr));
  EXPECT_EQ(is_applied(image_, key_.public_key(), &off), false) << "turning them on is something to do";
  apply_and_expect(peers_changed(2, 0), &off);
  const DeviceState with = read();
  EXPECT_EQ(with.peers[0].preshared_id, image_.peers[0].pair_id);
  EXPECT_EQ(with.peers[1].preshared_id, image_.peers[1].pair_id);
  EXPECT_NE(with.peers[0].preshared_id, with.peers[1].preshared_id);
  EXPECT_EQ(is_applied(image_, key_.public_key(), &image_), true);
  ::unlink(file.c_str());
  apply_and_expect({}, &image_);  // what the device has is not computed

  const WireguardImage on = image_;
  image_ = off;
  EXPECT_EQ(is_applied(image_, key_.public_key(), &image_), false) << "as after an agent that was killed before";
  apply_and_expect(peers_changed(2, 0));
  EXPECT_EQ(read().peers[0].preshared_id, crypto::Hash{});
  image_ = on;
  const auto missing = apply(image_, &key_, &off);
  ASSERT_FALSE(missing) << "no peer without the key that is asked for";
}

TEST_F(WireguardDevice, SaysItsStatus) {
  apply_and_expect(first_changes(2));
  const auto seen = status(kInterface);
  ASSERT_TRUE(seen) << seen.error().text();
  EXPECT_EQ(seen->interface_index, index_);
  EXPECT_EQ(seen->public_key, key_.public_key());
  EXPECT_EQ(seen->listen_port, 51820);
  ASSERT_EQ(seen->peers.size(), 2U);
  EXPECT_EQ(seen->peers[0].public_key, key_number(1));
  EXPECT_EQ(seen->peers[0].endpoint, Endpoint::parse("192.0.2.2:51820"));
  EXPECT_EQ(seen->peers[0].last_handshake_s, 0);
}

TEST_F(WireguardDevice, WithdrawRemovesPeersAndAllowedIpsOnly) {
  apply_and_expect(first_changes(2));
  image_.peers.pop_back();
  image_.peers[0].allowed_ips = {prefix("10.90.0.2/32")};
  add_peer(3, std::nullopt, {prefix("10.90.0.3/32")});
  withdraw_and_expect(peers_changed(1, 1));
  const DeviceState state = read();
  ASSERT_EQ(state.peers.size(), 1U);
  EXPECT_EQ(state.peers[0].allowed_ips, image_.peers[0].allowed_ips);
  EXPECT_EQ(state.peers[0].endpoint, image_.peers[0].endpoint);
}

TEST_F(WireguardDevice, MovesAnAddressBetweenPeers) {
  apply_and_expect(first_changes(2));
  image_.peers[0].allowed_ips = {prefix("10.90.0.2/32")};
  image_.peers[1].allowed_ips = {prefix("10.20.0.0/16"), prefix("10.90.0.3/32"), prefix("fd90::3/128")};
  withdraw_and_expect(peers_changed(1, 0));
  const DeviceState between = read();
  ASSERT_EQ(between.peers.size(), 2U);
  for (const PeerState& peer : between.peers) {
    EXPECT_EQ(std::ranges::count(peer.allowed_ips, prefix("10.20.0.0/16")), 0);
  }
  apply_and_expect(peers_changed(1, 0));
  const DeviceState after = read();
  EXPECT_EQ(after.peers[0].allowed_ips, image_.peers[0].allowed_ips);
  EXPECT_EQ(after.peers[1].allowed_ips, image_.peers[1].allowed_ips);
}

TEST_F(WireguardDevice, KeepsARoamedEndpointUntilTheFileSaysAnother) {
  apply_and_expect(first_changes(2));
  // As if the peer had called from elsewhere.
  const auto roamed = Endpoint::parse("198.51.100.7:4000");
  auto device = Device::open();
  ASSERT_TRUE(device);
  PeerUpdate update;
  update.public_key = key_number(1);
  update.endpoint = roamed;
  ASSERT_TRUE(device->update_peers(index_, {&update, 1}));

  const WireguardImage before = image_;
  image_.peers[0].allowed_ips.push_back(prefix("10.90.0.9/32"));
  apply_and_expect(peers_changed(1, 0), &before);
  EXPECT_EQ(read().peers[0].endpoint, roamed);

  EXPECT_TRUE(is_applied(image_, key_.public_key(), &image_).value_or(false));
  EXPECT_FALSE(is_applied(image_, key_.public_key(), nullptr).value_or(true));  // an agent that begins does not know

  image_.peers[0].endpoint = Endpoint::parse("[2001:db8::5]:51820");
  EXPECT_FALSE(is_applied(image_, key_.public_key(), &before).value_or(true));
  apply_and_expect(peers_changed(1, 0), &before);
  EXPECT_EQ(read().peers[0].endpoint, image_.peers[0].endpoint);
}

TEST_F(WireguardDevice, ChangesKeyPortAndMtu) {
  apply_and_expect(first_changes(2));
  key_ = PrivateKey::generate();
  image_.listen_port = 51821;
  auto links = Links::open();
  ASSERT_TRUE(links);
  ASSERT_TRUE(links->set_mtu(index_, 1300));
  apply_and_expect(device_changed());
  EXPECT_EQ(links->find(kInterface)->mtu_bytes, 1420U);
  EXPECT_EQ(read().public_key, key_.public_key());
  EXPECT_EQ(read().listen_port, 51821);
  apply_and_expect({});
}

TEST_F(WireguardDevice, SaysThatThePortIsTakenAndSetsUpTheRest) {
  Fd holder(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(51820);
  ASSERT_EQ(::bind(holder.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  auto done = apply(image_, &key_, nullptr);
  ASSERT_TRUE(done) << done.error().text();
  ASSERT_FALSE(done->refused.empty());
  EXPECT_NE(done->refused[0].what.find("UDP port 51820 is taken"), std::string::npos) << done->refused[0].what;
  EXPECT_EQ(done->peers_added, image_.peers.size());
  holder.reset();
  done = apply(image_, &key_, &image_);
  ASSERT_TRUE(done) << done.error().text();
  EXPECT_TRUE(done->refused.empty());
  EXPECT_TRUE(is_applied(image_, key_.public_key(), &image_).value_or(false));
}

TEST_F(WireguardDevice, RefusesItsOwnKeyAsAPeer) {
  image_.peers[0].public_key = key_.public_key();
  const auto done = apply(image_, &key_, nullptr);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::invalid_input);
}

TEST_F(WireguardDevice, TakesTenThousandPeersAndOnePeerWithManyAllowedIps) {
  image_.peers.clear();
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    Prefix host = prefix("10.91.0.0/32");
    host.ip.bytes[2] = static_cast<std::uint8_t>(i >> 8U);
    host.ip.bytes[3] = static_cast<std::uint8_t>(i);
    add_peer(i, Endpoint::parse("192.0.2.9:51820"), {host});
  }
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    Prefix host = prefix("fd91::/128");
    host.ip.bytes[14] = static_cast<std::uint8_t>(i >> 8U);
    host.ip.bytes[15] = static_cast<std::uint8_t>(i);
    image_.peers[7].allowed_ips.push_back(host);
  }
  const auto timed = [](const char* what, const auto& step) {
    const auto start = std::chrono::steady_clock::now();
    step();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    fmt::print("{}: {:.0f} ms\n", what, took.count());
  };
  timed("10,000 peers added", [&] { apply_and_expect(first_changes(10'000)); });
  timed("10,000 peers compared", [&] { apply_and_expect({}); });
  const auto expect_applied = [&](bool expected) {
    const auto same = is_applied(image_, key_.public_key(), &image_);
    ASSERT_TRUE(same) << same.error().text();
    EXPECT_EQ(*same, expected);
  };
  timed("10,000 peers found unchanged", [&] { expect_applied(true); });
  image_.peers[9'999].allowed_ips[0].ip.bytes[0] = 11;
  expect_applied(false);
  withdraw_and_expect(peers_changed(1, 0));
  apply_and_expect(peers_changed(1, 0));
  expect_applied(true);
  const DeviceState state = read();
  ASSERT_EQ(state.peers.size(), image_.peers.size());
  for (std::size_t i = 0; i < state.peers.size(); ++i) {
    ASSERT_EQ(state.peers[i].public_key, image_.peers[i].public_key);
    ASSERT_EQ(state.peers[i].allowed_ips, image_.peers[i].allowed_ips);
  }
  image_.peers[7].allowed_ips.resize(1);
  timed("5,000 allowed IPs withdrawn", [&] { withdraw_and_expect(peers_changed(1, 0)); });
  EXPECT_EQ(read().peers[7].allowed_ips, image_.peers[7].allowed_ips);
  image_.peers.resize(100);
  timed("9,900 peers withdrawn", [&] { withdraw_and_expect(peers_changed(0, 9'900)); });
  EXPECT_EQ(read().peers.size(), 100U);
}

TEST_F(WireguardDevice, GoesOnWhereAFailedMessageStopped) {
  image_.peers.clear();
  constexpr std::uint32_t kPeers = 1'000;
  constexpr std::uint32_t kBad = 700;
  for (std::uint32_t i = 0; i < kPeers; ++i) {
    Prefix host = prefix("10.91.0.0/32");
    host.ip.bytes[2] = static_cast<std::uint8_t>(i >> 8U);
    host.ip.bytes[3] = static_cast<std::uint8_t>(i);
    add_peer(i, Endpoint::parse("192.0.2.9:51820"), {host});
  }
  const Prefix good = std::exchange(image_.peers[kBad].allowed_ips[0], Prefix{ip("10.1.2.3"), 77});
  const auto failed = apply(image_, &key_, nullptr);
  ASSERT_FALSE(failed);
  const auto done = static_cast<std::uint32_t>(read().peers.size());
  EXPECT_GE(done, kBad);
  EXPECT_LT(done, kPeers);
  image_.peers[kBad].allowed_ips[0] = good;
  const auto resumed = apply(image_, &key_, nullptr);
  ASSERT_TRUE(resumed) << resumed.error().text();
  EXPECT_EQ(resumed->peers_added, kPeers - done);
  EXPECT_EQ(resumed->peers_changed, done - kBad) << "the bad one, where it was made already";
  EXPECT_EQ(read().peers.size(), kPeers);
  apply_and_expect({});
}

TEST_F(WireguardDevice, SetsEndpointsOfPresentPeersOnly) {
  apply_and_expect(first_changes(2));
  const Endpoint there = *Endpoint::parse("203.0.113.5:7");
  const std::vector<PeerEndpoint> endpoints{{key_number(2), there}, {key_number(3), there}};
  const auto set = set_endpoints(kInterface, endpoints);
  ASSERT_TRUE(set) << set.error().text();
  const DeviceState state = read();
  ASSERT_EQ(state.peers.size(), 2U);
  EXPECT_EQ(state.peers[0].endpoint, image_.peers[0].endpoint);
  EXPECT_EQ(state.peers[1].endpoint, there);
  apply_and_expect({}, &image_);
}

TEST_F(WireguardDevice, RemovesTheLink) {
  apply_and_expect(first_changes(2));
  ASSERT_TRUE(remove_link(kInterface));
  EXPECT_FALSE(link_index(kInterface));
  EXPECT_TRUE(remove_link(kInterface));
  const auto gone = status(kInterface);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace krait::wireguard
