// Prefixes to the buckets and the length trees of a snapshot (krait/abi/snapshot.h).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/ip.h"
#include "krait/abi/snapshot.h"

namespace krait::compile {

struct AddressEntry {
  common::Prefix prefix;
  std::uint32_t slot = 0;
  std::uint32_t host = 0;  // as in krait_entry
  bool routed = false;
};

struct AddressTable {
  std::uint64_t hash_seed = 0;
  std::uint8_t v4_root = 0;
  std::uint8_t v6_root = 0;
  std::array<krait_length_node, KRAIT_LENGTH_NODES> nodes{};
  std::vector<krait_bucket> buckets;  // a power of two, at least a page of them
};

// No two entries have the same prefix. Deterministic.
AddressTable build_address_table(const std::vector<AddressEntry>& entries);

// What the table says of an address, searching as the BPF program does; none when it is nobody's.
std::optional<krait_entry> find_address(const AddressTable& table, const common::Ip& address);

}  // namespace krait::compile
