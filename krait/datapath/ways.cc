#include "krait/datapath/ways.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <vector>

#include "krait/abi/maps.h"

namespace krait::datapath {

using common::Error;
using common::Result;

namespace {

std::uint32_t mapped_length(std::uint32_t length, common::Family family) {
  return length + (family == common::Family::v4 ? 96U : 0U);
}

struct Element {
  krait_way_key key{};
  krait_way way{};
};

Element element_of(const WayBehind& way) {
  const common::Family family = way.prefix.ip.family;
  const auto bytes = way.prefix.masked().ip.mapped();
  Element element;
  std::memcpy(element.key.address_be, bytes.data(), sizeof(element.key.address_be));
  element.key.prefixlen = mapped_length(way.prefix.length, family);
  element.way.length = mapped_length(way.network_length, family);
  element.way.is_own = way.is_own ? 1 : 0;
  std::copy_n(way.interfaces.begin(), std::min<std::size_t>(way.interfaces.size(), KRAIT_WAY_INTERFACES),
              element.way.interfaces);
  return element;
}

bool is_before(const krait_way_key& a, const krait_way_key& b) { return std::memcmp(&a, &b, sizeof(a)) < 0; }

Result<std::vector<krait_way_key>> read_keys(int ways_fd) {
  std::vector<krait_way_key> present;
  krait_way_key next{};
  const krait_way_key* last = nullptr;
  while (bpf_map_get_next_key(ways_fd, last, &next) == 0) {
    present.push_back(next);
    last = &present.back();
    if (present.size() > KRAIT_WAYS) {  // somebody else changes the map: the search began anew
      return Error(common::ErrorCode::system, "the ways to the networks behind this host change while they are read");
    }
  }
  if (errno != ENOENT) {
    return Error::from_errno(errno, "read the ways to the networks behind this host");
  }
  return present;
}

}  // namespace

Result<void> set_ways(int ways_fd, std::span<const WayBehind> ways) {
  if (ways.size() > KRAIT_WAYS) {
    return Error(common::ErrorCode::limit,
                 fmt::format("{} ways to the networks behind this host, {} more than the limit of {}: the routes into "
                             "them, with the host's own addresses there",
                             ways.size(), ways.size() - KRAIT_WAYS, KRAIT_WAYS));
  }
  std::vector<Element> wanted;
  wanted.reserve(ways.size());
  std::ranges::transform(ways, std::back_inserter(wanted), element_of);
  std::ranges::sort(wanted, is_before, &Element::key);
  KRAIT_TRY(auto present, read_keys(ways_fd));
  std::ranges::sort(present, is_before);
  for (const krait_way_key& key : present) {
    const bool stays = std::ranges::binary_search(wanted, key, is_before, &Element::key);
    if (!stays && bpf_map_delete_elem(ways_fd, &key) != 0 && errno != ENOENT) {
      return Error::from_errno(errno, "take a way to a network behind this host back");
    }
  }
  for (const Element& element : wanted) {
    if (bpf_map_update_elem(ways_fd, &element.key, &element.way, BPF_ANY) != 0) {
      return Error::from_errno(errno, "note a way to a network behind this host");
    }
  }
  return {};
}

}  // namespace krait::datapath
