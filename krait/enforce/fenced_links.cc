#include "krait/enforce/fenced_links.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace krait::enforce {

namespace {

constexpr std::string_view kVrf = "vrf";
// Whose members' packets come up on the master.
constexpr std::array<std::string_view, 4> kMasters{"bridge", "bond", "team", "openvswitch"};

}  // namespace

datapath::Outside fenced_links(std::span<const netlink::Link> links, std::uint32_t guarded_index) {
  datapath::Outside outside;
  for (const netlink::Link& link : links) {
    if (link.index == guarded_index || link.loopback || link.kind == kVrf) {
      continue;
    }
    const bool is_port = std::ranges::find(kMasters, link.master_kind) != kMasters.end();
    (is_port ? outside.ports : outside.interfaces).push_back(link.index);
  }
  return outside;
}

}  // namespace krait::enforce
