#include "krait/wireguard/path_mtu.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <vector>

namespace krait::wireguard {

using common::Family;
using common::Ip;
using common::Result;
using netlink::Links;
using netlink::Way;

namespace {

// WireGuard's message header and tag, 32 bytes, UDP's 8, and IP's 20 or 40 without options (drivers/net/wireguard).
constexpr std::uint32_t kOverIpv4Bytes = 60;
constexpr std::uint32_t kOverIpv6Bytes = 80;

// Addresses that only a default route leads to: 6to4's former relays (RFC 7526: not to be given away again), and one of
// the first network of IPv6's global range, which nobody has. Nothing is sent there.
std::array<Ip, 2> somewhere() {
  Ip v4;
  v4.bytes = {192, 88, 99, 1};
  Ip v6{.family = Family::v6, .bytes = {}};
  v6.bytes[0] = 0x20;
  v6.bytes[15] = 1;
  return {v4, v6};
}

// Reads each link's MTU once.
class LinkMtus {
 public:
  explicit LinkMtus(Links& links) : links_(links) {}

  std::uint32_t mtu_bytes(std::uint32_t index) {
    const auto [found, fresh] = of_link_.try_emplace(index, 0);
    if (fresh) {
      const auto link = links_.find(index);
      found->second = link ? link->mtu_bytes : 0;  // else it has just gone
    }
    return found->second;
  }

 private:
  Links& links_;
  std::map<std::uint32_t, std::uint32_t> of_link_;
};

}  // namespace

Destinations destinations_of(const DeviceState& device, std::span<const PeerUpdate> updates) {
  std::map<model::PublicKey, std::optional<common::Endpoint>> changed;
  for (const PeerUpdate& update : updates) {
    changed.emplace(update.public_key, update.endpoint);
  }
  Destinations to;
  const auto add = [&to](const std::optional<common::Endpoint>& endpoint) {
    if (endpoint) {
      to.endpoints.insert(endpoint->ip);
    } else {
      to.others = true;
    }
  };
  for (const PeerState& peer : device.peers) {
    const auto found = changed.find(peer.public_key);
    add(found != changed.end() && found->second ? found->second : peer.endpoint);
    if (found != changed.end()) {
      changed.erase(found);
    }
  }
  for (const auto& [key, endpoint] : changed) {  // new peers
    add(endpoint);
  }
  return to;
}

std::uint32_t fitting_mtu(std::span<const Path> paths) {
  if (paths.empty()) {
    return kUsualMtuBytes;
  }
  std::uint32_t fits = kMaxMtuBytes;
  for (const Path& path : paths) {
    const std::uint32_t overhead = path.family == Family::v4 ? kOverIpv4Bytes : kOverIpv6Bytes;
    fits = std::min(fits, std::max(path.mtu_bytes, overhead) - overhead);
  }
  return std::max(fits, kMinMtuBytes);
}

Result<std::uint32_t> find_fitting_mtu(Underlay underlay, std::uint32_t own_index, const Destinations& to) {
  std::vector<Ip> asked(to.endpoints.begin(), to.endpoints.end());
  if (to.others) {
    std::ranges::copy(somewhere(), std::back_inserter(asked));
  }
  KRAIT_TRY(const auto ways, underlay.network.ways_to(asked));
  LinkMtus of_link(underlay.links);
  std::vector<Path> paths;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const Way& way = ways[i];
    if (!way.reachable || way.index == own_index) {
      continue;
    }
    const std::uint32_t mtu_bytes = way.mtu_bytes != 0 ? way.mtu_bytes : of_link.mtu_bytes(way.index);
    if (mtu_bytes != 0) {
      // Somewhere behind the default route either family may be used: the larger overhead.
      paths.push_back({i < to.endpoints.size() ? asked[i].family : Family::v6, mtu_bytes});
    }
  }
  return fitting_mtu(paths);
}

}  // namespace krait::wireguard
