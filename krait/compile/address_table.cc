#include "krait/compile/address_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <ranges>
#include <set>
#include <span>

namespace krait::compile {

namespace {

constexpr std::uint8_t kHostLength = 128;
constexpr std::size_t kFewestBuckets = KRAIT_PAGE_BYTES / sizeof(krait_bucket);

// A prefix as the program sees it: 128 bits, IPv4 mapped.
struct Key {
  std::array<std::uint32_t, 4> address_be{};
  std::uint8_t length = 0;

  auto operator<=>(const Key&) const = default;
};

struct Found {
  std::uint32_t slot = KRAIT_NO_SLOT;
  std::uint32_t owner = 0;
};

Key masked(const Key& key, std::uint8_t length) {
  Key result{.length = length};
  for (unsigned i = 0; i < 4; ++i) {
    const int bits = std::clamp(static_cast<int>(length) - static_cast<int>(32 * i), 0, 32);
    const auto mask = static_cast<std::uint32_t>(0xffffffff00000000ULL >> static_cast<unsigned>(bits));
    const std::uint32_t mask_be = std::endian::native == std::endian::little ? __builtin_bswap32(mask) : mask;
    result.address_be[i] = key.address_be[i] & mask_be;
  }
  return result;
}

Key key_of(const common::Prefix& prefix) {
  const auto bytes = prefix.ip.mapped();
  Key key;
  std::memcpy(key.address_be.data(), bytes.data(), bytes.size());
  key.length = static_cast<std::uint8_t>(prefix.length + (prefix.ip.family == common::Family::v4 ? 96 : 0));
  return masked(key, key.length);
}

using Networks = std::map<Key, Found>;

// One family's tree over `lengths` (ascending), and the markers that its networks need on the way.
class LengthTree {
 public:
  LengthTree(std::array<krait_length_node, KRAIT_LENGTH_NODES>& nodes, std::uint8_t& next_node)
      : nodes_(nodes), next_node_(next_node) {}

  std::uint8_t build(std::span<const std::uint8_t> lengths) {
    if (lengths.empty()) {
      return 0;
    }
    const std::uint8_t at = next_node_++;
    const std::size_t middle = lengths.size() / 2;
    nodes_[at].length = lengths[middle];
    nodes_[at].if_found = build(lengths.subspan(middle + 1));
    nodes_[at].if_missing = build(lengths.first(middle));
    return at;
  }

 private:
  std::array<krait_length_node, KRAIT_LENGTH_NODES>& nodes_;
  std::uint8_t& next_node_;
};

// The longest network of at most key.length that covers the key.
Found longest_cover(const Networks& networks, std::span<const std::uint8_t> lengths, const Key& key) {
  for (const std::uint8_t length : lengths | std::views::reverse) {
    if (length > key.length) {
      continue;
    }
    if (const auto found = networks.find(masked(key, length)); found != networks.end()) {
      return found->second;
    }
  }
  return {};
}

// The search turns to longer lengths only where it finds something: each network leaves a marker at every such turn.
void add_markers(const AddressTable& table, std::uint8_t root, const Networks& networks,
                 std::span<const std::uint8_t> lengths, std::map<Key, Found>& markers) {
  for (const auto& [network, owner] : networks) {
    std::uint8_t at = root;
    while (at != 0 && table.nodes[at].length != network.length) {
      const krait_length_node& node = table.nodes[at];
      if (node.length < network.length) {
        const Key marker = masked(network, node.length);
        if (!networks.contains(marker) && !markers.contains(marker)) {
          markers.emplace(marker, longest_cover(networks, lengths, marker));
        }
      }
      at = node.length < network.length ? node.if_found : node.if_missing;
    }
  }
}

std::uint8_t add_family(AddressTable& table, std::uint8_t& next_node, const Networks& networks,
                        std::map<Key, Found>& markers) {
  std::set<std::uint8_t> distinct;
  for (const auto& [network, owner] : networks) {
    distinct.insert(network.length);
  }
  const std::vector<std::uint8_t> lengths(distinct.begin(), distinct.end());
  const std::uint8_t root = LengthTree(table.nodes, next_node).build(lengths);
  add_markers(table, root, networks, lengths, markers);
  return root;
}

krait_entry make_entry(const Key& key, const Found& found) {
  krait_entry entry{};
  std::copy(key.address_be.begin(), key.address_be.end(), entry.address_be);
  entry.slot = found.slot;
  entry.length = key.length | KRAIT_ENTRY_USED;
  entry.owner = found.owner;
  return entry;
}

Found found_of(const AddressEntry& entry, const Key& key) {
  const std::uint32_t flags =
      (entry.host == KRAIT_THIS_HOST ? KRAIT_ENTRY_LOCAL : 0) | (entry.routed ? KRAIT_ENTRY_ROUTED : 0);
  return {.slot = entry.slot, .owner = KRAIT_ENTRY_OWNER(flags, std::uint32_t{key.length}, entry.host)};
}

std::pair<std::size_t, std::size_t> choices(const AddressTable& table, const std::uint32_t* address_be,
                                            std::uint32_t length) {
  const std::uint64_t hash = krait_prefix_hash(address_be, length, table.hash_seed);
  const std::size_t mask = table.buckets.size() - 1;
  return {static_cast<std::uint32_t>(hash) & mask, (hash >> 32U) & mask};
}

std::size_t fill_of(const krait_bucket& bucket) {
  return static_cast<std::size_t>(
      std::ranges::count_if(bucket.entries, [](const krait_entry& entry) { return entry.length != 0; }));
}

// False when both of some entry's buckets are full.
bool place(AddressTable& table, const std::vector<krait_entry>& entries) {
  for (const krait_entry& entry : entries) {
    const auto [first, second] = choices(table, entry.address_be, entry.length & ~KRAIT_ENTRY_USED);
    const std::size_t first_fill = fill_of(table.buckets[first]);
    const std::size_t second_fill = fill_of(table.buckets[second]);
    const std::size_t least = std::min(first_fill, second_fill);
    if (least == KRAIT_BUCKET_ENTRIES) {
      return false;
    }
    table.buckets[first_fill <= second_fill ? first : second].entries[least] = entry;
  }
  return true;
}

const krait_entry* find_entry(const AddressTable& table, const Key& key) {
  const auto [first, second] = choices(table, key.address_be.data(), key.length);
  for (const std::size_t bucket : {first, second}) {
    for (const krait_entry& entry : table.buckets[bucket].entries) {
      if (entry.length == (key.length | KRAIT_ENTRY_USED) &&
          std::equal(key.address_be.begin(), key.address_be.end(), entry.address_be)) {
        return &entry;
      }
    }
  }
  return nullptr;
}

}  // namespace

AddressTable build_address_table(const std::vector<AddressEntry>& entries) {
  AddressTable table;
  std::vector<krait_entry> placed;
  Networks v4;
  Networks v6;
  placed.reserve(entries.size());
  for (const AddressEntry& entry : entries) {
    const Key key = key_of(entry.prefix);
    const Found found = found_of(entry, key);
    if (key.length == kHostLength) {
      placed.push_back(make_entry(key, found));
    } else {
      (entry.prefix.ip.family == common::Family::v4 ? v4 : v6).emplace(key, found);
    }
  }
  std::map<Key, Found> markers;
  std::uint8_t next_node = 1;
  table.v4_root = add_family(table, next_node, v4, markers);
  table.v6_root = add_family(table, next_node, v6, markers);
  for (const auto* kind : {&v4, &v6, &markers}) {
    for (const auto& [key, found] : *kind) {
      placed.push_back(make_entry(key, found));
    }
  }
  // Half full at the most: two choices of four places then practically always suffice; else the next seed or size does.
  std::size_t buckets = std::max(kFewestBuckets, std::bit_ceil(placed.size() / 2));
  for (table.hash_seed = 1;; ++table.hash_seed) {
    table.buckets.assign(buckets, krait_bucket{});
    if (place(table, placed)) {
      return table;
    }
    buckets *= table.hash_seed % 4 == 0 ? 2 : 1;
  }
}

std::optional<krait_entry> find_address(const AddressTable& table, const common::Ip& address) {
  const Key host = key_of(common::Prefix::host(address));
  if (const krait_entry* entry = find_entry(table, host)) {
    return *entry;
  }
  const krait_entry* best = nullptr;
  std::uint8_t at = address.family == common::Family::v4 ? table.v4_root : table.v6_root;
  while (at != 0) {
    const krait_length_node& node = table.nodes[at];
    const krait_entry* entry = find_entry(table, masked(host, node.length));
    best = entry != nullptr ? entry : best;
    at = entry != nullptr ? node.if_found : node.if_missing;
  }
  return best == nullptr || best->slot == KRAIT_NO_SLOT ? std::nullopt : std::optional(*best);
}

}  // namespace krait::compile
