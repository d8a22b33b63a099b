#include "krait/wireguard/surplus.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

namespace krait::wireguard {

using common::Family;
using common::Prefix;
using model::PublicKey;

namespace {

// A peer by its place in a list.
using Owner = std::size_t;

// Whose an address is, by the longest prefix.
class Owners {
 public:
  template <typename Peers>
  explicit Owners(const Peers& peers) {
    for (Owner owner = 0; owner < peers.size(); ++owner) {
      for (const Prefix& prefix : peers[owner].allowed_ips) {
        entries_.emplace_back(prefix, owner);
        lengths(prefix.ip.family).set(prefix.length);
      }
    }
    std::ranges::sort(entries_);
  }

  // Of the longest prefix that holds all of this one.
  [[nodiscard]] std::optional<Owner> of(const Prefix& prefix) const {
    const auto& used = lengths_[static_cast<std::size_t>(prefix.ip.family == Family::v6)];
    for (unsigned length = prefix.length + 1U; length-- > 0;) {
      if (!used.test(length)) {
        continue;
      }
      const Prefix wider = Prefix{.ip = prefix.ip, .length = static_cast<std::uint8_t>(length)}.masked();
      const auto found = std::ranges::lower_bound(entries_, wider, {}, &Entry::first);
      if (found != entries_.end() && found->first == wider) {
        return found->second;
      }
    }
    return std::nullopt;
  }

  // Calls `handler` for each longer prefix inside of this one, until it says true. True: it did.
  template <typename Handler>
  [[nodiscard]] bool any_inside(const Prefix& prefix, const Handler& handler) const {
    auto at = std::ranges::upper_bound(entries_, prefix, {}, &Entry::first);
    for (; at != entries_.end() && prefix.contains(at->first.ip); ++at) {
      if (handler(at->first, at->second)) {
        return true;
      }
    }
    return false;
  }

 private:
  using Entry = std::pair<Prefix, Owner>;

  std::bitset<129>& lengths(Family family) { return lengths_[static_cast<std::size_t>(family == Family::v6)]; }

  std::vector<Entry> entries_;  // ascending: what is inside of a prefix follows it
  std::array<std::bitset<129>, 2> lengths_;
};

}  // namespace

std::vector<Surplus> surplus_of(const DeviceState& device, const model::WireguardImage& image) {
  const Owners wanted(image.peers);
  const Owners present(device.peers);
  std::map<PublicKey, Owner> wanted_by_key;
  for (Owner owner = 0; owner < image.peers.size(); ++owner) {
    const model::WireguardPeer& peer = image.peers[owner];
    wanted_by_key.emplace(peer.public_key, owner);
    if (peer.next_public_key) {
      wanted_by_key.emplace(*peer.next_public_key, owner);
    }
  }
  std::vector<Surplus> found;
  for (Owner here = 0; here < device.peers.size(); ++here) {
    const PeerState& peer = device.peers[here];
    const auto known = wanted_by_key.find(peer.public_key);
    const bool is_known = known != wanted_by_key.end();
    const auto exceeds = [&](const Prefix& prefix) {
      return !is_known || wanted.of(prefix) != known->second ||
             wanted.any_inside(prefix, [&](const Prefix& inner, Owner owner) {
               return owner != known->second && present.of(inner) == here;
             });
    };
    Surplus surplus{.public_key = peer.public_key, .is_known = is_known, .prefixes = {}};
    std::ranges::copy_if(peer.allowed_ips, std::back_inserter(surplus.prefixes), exceeds);
    if (!surplus.prefixes.empty()) {
      found.push_back(std::move(surplus));
    }
  }
  return found;
}

}  // namespace krait::wireguard
