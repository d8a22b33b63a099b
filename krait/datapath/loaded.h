// One loaded data path: the descriptors of its maps and programs, loaded just now or adopted from the pins.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "common/fd.h"
#include "common/result.h"
#include "krait/datapath/attachment.h"
#include "krait/datapath/datapath.h"
#include "krait/datapath/pins.h"

namespace krait::datapath {

// The maps that are handed on from agent to agent.
enum class MapId : std::uint8_t { snapshot, rules, flows, fragments, pairs, drops, events, ways };
inline constexpr std::size_t kMaps = 8;

// What makes a map usable for these options.
struct MapShape {
  const char* name;  // in the object
  const char* pin;
  std::uint32_t key_bytes;
  std::uint32_t value_bytes;
  std::uint32_t entries;
  bool at_least;  // more entries will do
};
std::array<MapShape, kMaps> map_shapes(const Options& options);
bool fits(int map_fd, const MapShape& shape);

// Max entries of a map; 0: not a map.
std::uint32_t entries_of(int map_fd);

// A number of this build's programs for this machine, never 0: what tells pinned programs that are ours from those of
// another version. It stands in krait_control.
std::uint64_t build_id();

// Move-only; closes the descriptors, which ends nothing that is attached or pinned.
class Loaded {
 public:
  // What is pinned, when it is all there, fits the options and fits together; none otherwise.
  static std::optional<Loaded> adopt(const Pins& pins, const Options& options);
  // New programs on the pinned maps where these fit, on new maps elsewhere. Nothing is pinned yet.
  static common::Result<Loaded> load(const Pins& pins, const Options& options);

  [[nodiscard]] int map(MapId id) const { return maps_[static_cast<std::size_t>(id)].get(); }
  [[nodiscard]] Programs programs() const;
  // Whether the map is the one that is pinned.
  [[nodiscard]] bool shares(const Pins& pins, MapId id) const;

  // Pins maps and programs, each in the place of what has its name.
  [[nodiscard]] common::Result<void> pin(const Pins& pins) const;
  [[nodiscard]] bool is_pinned(const Pins& pins) const;

 private:
  std::array<common::Fd, kMaps> maps_;
  std::array<common::Fd, 5> programs_;  // ingress, egress, guard, fence, its port
};

// The pins change as one: a new set is pinned in a folder beside, then the programs are attached, then the set moves
// into its place. An agent that was killed between left two sets: the next one keeps that whose programs are attached.
common::Result<Pins> begin_pins(const Pins& pins);
common::Result<void> commit_pins(const Pins& pins);
common::Result<void> settle_pins(const Pins& pins, std::uint32_t interface_index);

}  // namespace krait::datapath
