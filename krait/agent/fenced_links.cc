#include "krait/agent/fenced_links.h"

#include <string_view>

namespace krait::agent {

namespace {

constexpr std::string_view kVrf = "vrf";

bool takes_packets_in(const wireguard::NetworkLink& link) {
  return link.kind != kVrf && (link.master_kind.empty() || link.master_kind == kVrf);
}

}  // namespace

std::vector<std::uint32_t> fenced_links(std::span<const wireguard::NetworkLink> links, std::uint32_t guarded_index) {
  std::vector<std::uint32_t> fenced;
  for (const wireguard::NetworkLink& link : links) {
    if (link.index != guarded_index && takes_packets_in(link)) {
      fenced.push_back(link.index);
    }
  }
  return fenced;
}

}  // namespace krait::agent
