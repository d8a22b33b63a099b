// What a configuration may ask for at most, and how large the tables of the data path are: [limits] of krait.toml.
// docs/limits.md says what each costs.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace krait::model {

struct Limits {
  std::uint32_t hosts = 65536;      // this one and its peers
  std::uint32_t prefixes = 262144;  // addresses and routed networks
  std::uint32_t rules = 100000;
  std::uint32_t classes = 4000;      // identities that the rules tell apart, as source or as destination
  std::uint32_t snapshot_mib = 128;  // one compiled policy; the kernel has room for two
  std::uint32_t flows = 131072;      // remembered at a time; a power of two
  std::uint32_t pairs = 4096;        // places for pairs of identities that are counted by name; a power of two
  std::uint32_t fragments = 8192;    // fragmented packets under way at a time

  bool operator==(const Limits&) const = default;
};

struct LimitKey {
  std::string_view name;  // in [limits]
  std::uint32_t Limits::* value;
  std::uint32_t least;
  std::uint32_t most;
  bool power_of_two;
};

// hosts: what WireGuard takes as peers of one interface (MAX_PEERS_PER_DEVICE in drivers/net/wireguard/messages.h).
// rules: KRAIT_MAX_RULES. classes: __u16 in krait_slot. snapshot_mib: both buffers in 2 GiB, since kernels before 6.0
// find the elements of an array of 4 GiB and more at the wrong place.
inline constexpr auto kLimitKeys = std::to_array<LimitKey>({
    {"hosts", &Limits::hosts, 1, 1U << 20U, false},
    {"prefixes", &Limits::prefixes, 1, 1U << 22U, false},
    {"rules", &Limits::rules, 1, 16'777'214, false},
    {"classes", &Limits::classes, 1, 65'535, false},
    {"snapshot_mib", &Limits::snapshot_mib, 1, 1024, false},
    {"flows", &Limits::flows, 1U << 10U, 1U << 24U, true},
    {"pairs", &Limits::pairs, 1U << 6U, 1U << 20U, true},
    {"fragments", &Limits::fragments, 1U << 6U, 1U << 20U, false},
});

}  // namespace krait::model
