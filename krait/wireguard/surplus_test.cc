#include "krait/wireguard/surplus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace krait::wireguard {
namespace {

using common::Prefix;
using model::WireguardImage;
using model::WireguardPeer;

std::vector<Prefix> prefixes(std::initializer_list<const char*> texts) {
  std::vector<Prefix> found;
  for (const char* text : texts) {
    found.push_back(*Prefix::parse(text));
  }
  std::ranges::sort(found);
  return found;
}

// A hub (key 1) with a network behind it, in which another peer (2) has a part; a third one (3) goes over to key 9.
WireguardImage image() {
  WireguardImage image;
  image.peers = {{.public_key = {1}, .endpoint = {}, .allowed_ips = prefixes({"10.90.0.1/32", "10.20.0.0/16"})},
                 {.public_key = {2}, .endpoint = {}, .allowed_ips = prefixes({"10.90.0.2/32", "10.20.5.0/24"})},
                 {.public_key = {3},
                  .endpoint = {},
                  .allowed_ips = prefixes({"10.90.0.3/32", "fd90::3/128"}),
                  .next_public_key = model::PublicKey{9}}};
  return image;
}

PeerState peer(std::uint8_t key, std::initializer_list<const char*> allowed) {
  PeerState peer;
  peer.public_key = {key};
  peer.allowed_ips = prefixes(allowed);
  return peer;
}

// "1: 0.0.0.0/0 10.0.0.0/8; 7?: 10.90.0.9/32", with a question mark behind a key that the image does not have.
std::string surplus(std::vector<PeerState> peers) {
  DeviceState device;
  device.peers = std::move(peers);
  std::string text;
  for (const Surplus& found : surplus_of(device, image())) {
    text += (text.empty() ? "" : "; ") + std::to_string(found.public_key[0]) + (found.is_known ? ":" : "?:");
    for (const Prefix& prefix : found.prefixes) {
      text += " " + prefix.text();
    }
  }
  return text;
}

TEST(SurplusOf, IsNothingWhereThePeersHaveWhatTheyAreGiven) {
  EXPECT_EQ(surplus({}), "");
  EXPECT_EQ(surplus({peer(1, {"10.90.0.1/32", "10.20.0.0/16"}), peer(2, {"10.90.0.2/32", "10.20.5.0/24"}),
                     peer(3, {"10.90.0.3/32", "fd90::3/128"})}),
            "");
  EXPECT_EQ(surplus({peer(1, {"10.90.0.1/32"}), peer(2, {})}), "") << "less is no danger";
  EXPECT_EQ(surplus({peer(1, {"10.20.7.0/24"})}), "") << "nor is a part";
  EXPECT_EQ(surplus({peer(9, {"10.90.0.3/32"})}), "") << "of a peer that goes over to its next key";
  EXPECT_EQ(surplus({peer(7, {})}), "") << "a stranger that may send nothing";
}

TEST(SurplusOf, NamesWhatIsAnothersOrNobodys) {
  EXPECT_EQ(surplus({peer(3, {"0.0.0.0/0", "10.90.0.3/32"})}), "3: 0.0.0.0/0");
  EXPECT_EQ(surplus({peer(3, {"::/0", "10.90.0.3/32"})}), "3: ::/0");
  EXPECT_EQ(surplus({peer(3, {"10.90.0.2/32", "10.90.0.3/32"})}), "3: 10.90.0.2/32");
  EXPECT_EQ(surplus({peer(3, {"10.90.0.2/31"})}), "3: 10.90.0.2/31") << "one of the two is its own";
  EXPECT_EQ(surplus({peer(3, {"10.99.0.0/24"})}), "3: 10.99.0.0/24");
  EXPECT_EQ(surplus({peer(1, {"10.90.0.2/32"}), peer(2, {"0.0.0.0/0", "10.90.0.1/32"})}),
            "1: 10.90.0.2/32; 2: 0.0.0.0/0 10.90.0.1/32");
}

TEST(SurplusOf, NamesPeersThatTheImageDoesNotHave) {
  EXPECT_EQ(surplus({peer(7, {"10.90.0.9/32"})}), "7?: 10.90.0.9/32");
  EXPECT_EQ(surplus({peer(7, {"10.90.0.3/32"})}), "7?: 10.90.0.3/32");
}

TEST(SurplusOf, SeesWhatAWiderPrefixHoldsOfAnothers) {
  EXPECT_EQ(surplus({peer(1, {"10.20.5.0/24"})}), "1: 10.20.5.0/24") << "inside of its own network, and another's";
  EXPECT_EQ(surplus({peer(1, {"10.20.5.128/25"})}), "1: 10.20.5.128/25");
  EXPECT_EQ(surplus({peer(1, {"10.20.0.0/16"})}), "1: 10.20.0.0/16") << "nobody takes 10.20.5.0/24 out of it";
  EXPECT_EQ(surplus({peer(1, {"10.20.0.0/16"}), peer(2, {"10.20.5.0/25"})}), "1: 10.20.0.0/16")
      << "only a half is taken out of it";
  EXPECT_EQ(surplus({peer(1, {"10.20.4.0/22"}), peer(2, {"10.20.5.0/24"})}), "");
}

}  // namespace
}  // namespace krait::wireguard
