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

krait_way key_of(const WayBehind& way) {
  const auto bytes = way.network.masked().ip.mapped();
  krait_way key{};
  std::memcpy(key.network_be, bytes.data(), sizeof(key.network_be));
  key.length = way.network.length + (way.network.ip.family == common::Family::v4 ? 96U : 0U);
  key.interface = way.interface;
  return key;
}

bool is_before(const krait_way& a, const krait_way& b) { return std::memcmp(&a, &b, sizeof(a)) < 0; }

Result<std::vector<krait_way>> read_ways(int ways_fd) {
  std::vector<krait_way> present;
  krait_way next{};
  const krait_way* last = nullptr;
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
    return Error(
        common::ErrorCode::limit,
        fmt::format("{} ways to the networks behind this host, {} more than the limit of {}: its networks times "
                    "the interfaces that their routes lead to",
                    ways.size(), ways.size() - KRAIT_WAYS, KRAIT_WAYS));
  }
  std::vector<krait_way> wanted;
  wanted.reserve(ways.size());
  std::ranges::transform(ways, std::back_inserter(wanted), key_of);
  auto present = read_ways(ways_fd);
  if (!present) {
    return std::move(present.error());
  }
  std::ranges::sort(wanted, is_before);
  std::ranges::sort(*present, is_before);
  std::vector<krait_way> gone;
  std::ranges::set_difference(*present, wanted, std::back_inserter(gone), is_before);
  for (const krait_way& way : gone) {
    if (bpf_map_delete_elem(ways_fd, &way) != 0 && errno != ENOENT) {
      return Error::from_errno(errno, "take a way to a network behind this host back");
    }
  }
  for (const krait_way& way : wanted) {
    const std::uint32_t is_way = 1;
    if (bpf_map_update_elem(ways_fd, &way, &is_way, BPF_ANY) != 0) {
      return Error::from_errno(errno, "note a way to a network behind this host");
    }
  }
  return {};
}

}  // namespace krait::datapath
