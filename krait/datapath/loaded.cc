#include "krait/datapath/loaded.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <span>
#include <string_view>
#include <vector>

#include "common/hash.h"
#include "krait/abi/snapshot.h"
#include "krait/bpf/objects.h"
#include "krait/datapath/flow_migration.h"
#include "krait/datapath/object.h"
#include "krait/datapath/program.h"
#include "krait/datapath/snapshot_map.h"

namespace krait::datapath {

using common::Error;
using common::Fd;
using common::Result;

namespace {

constexpr const char* kNextPins = "next";
constexpr std::array<const char*, 5> kProgramPins{"program_ingress", "program_egress", "program_guard", "program_fence",
                                                  "program_port"};
constexpr std::array<const char*, 5> kProgramNames{"krait_ingress", "krait_egress", "krait_guard", "krait_fence",
                                                   "krait_port"};

// What a pinned program must use for the pins to fit together.
constexpr std::array kAllMaps{MapId::snapshot, MapId::rules, MapId::flows,  MapId::fragments,
                              MapId::pairs,    MapId::drops, MapId::events, MapId::ways};
constexpr std::array kMapsOfFence{MapId::snapshot, MapId::pairs, MapId::drops, MapId::events, MapId::ways};
constexpr std::array<std::span<const MapId>, 5> kMapsOfProgram{kAllMaps, kAllMaps, std::span<const MapId>(),
                                                               kMapsOfFence, kMapsOfFence};
static_assert(kAllMaps.size() == kMaps);

// A policy may grow by half without a new map; 4 MiB a buffer are always there.
std::uint32_t pages_with_headroom(const Options& options) {
  const std::uint32_t pages = options.snapshot_pages;
  const std::uint32_t wished = std::max<std::uint32_t>(1024, std::bit_ceil(pages + pages / 2));
  return std::max(pages, std::min(wished, options.max_snapshot_pages));
}

std::optional<bpf_map_info> info_of(int map_fd) {
  bpf_map_info info{};
  std::uint32_t bytes = sizeof(info);
  return bpf_obj_get_info_by_fd(map_fd, &info, &bytes) == 0 ? std::optional(info) : std::nullopt;
}

// The maps that a program uses, by id.
std::vector<std::uint32_t> maps_of(int program_fd) {
  std::vector<std::uint32_t> ids(64);
  bpf_prog_info info{};
  std::uint32_t bytes = sizeof(info);
  info.nr_map_ids = static_cast<std::uint32_t>(ids.size());
  info.map_ids = reinterpret_cast<std::uintptr_t>(ids.data());
  if (bpf_obj_get_info_by_fd(program_fd, &info, &bytes) != 0) {
    return {};
  }
  ids.resize(std::min<std::size_t>(info.nr_map_ids, ids.size()));
  return ids;
}

// Empty: the descriptor is no program's.
std::string name_of(int program_fd) {
  bpf_prog_info info{};
  std::uint32_t bytes = sizeof(info);
  return bpf_obj_get_info_by_fd(program_fd, &info, &bytes) == 0 ? std::string(info.name) : std::string();
}

Fd duplicate(int fd) { return Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

// The pinned snapshot map, when its control page makes sense and is of this version.
bool is_usable_snapshot(int map_fd) {
  const auto map = SnapshotMap::open(map_fd, entries_of(map_fd));
  return map && map->control().abi_version == KRAIT_ABI_VERSION;
}

bool is_adoptable_snapshot(int map_fd) {
  const auto map = SnapshotMap::open(map_fd, entries_of(map_fd));
  return map && map->control().abi_version == KRAIT_ABI_VERSION && map->control().build == build_id();
}

}  // namespace

std::uint64_t build_id() {
  const std::span krait(krait_bpf_object, krait_bpf_object_end);
  const std::span guard(krait_guard_object, krait_guard_object_end);
  const std::uint32_t hz = ticks_per_second();
  const std::span hz_bytes(reinterpret_cast<const unsigned char*>(&hz), sizeof(hz));
  return common::fnv1a(hz_bytes, common::fnv1a(guard, common::fnv1a(krait))) | 1U;
}

std::array<MapShape, kMaps> map_shapes(const Options& options) {
  const TableSizes& sizes = options.tables;
  return {{
      {kSnapshotMap, "snapshot", 4, KRAIT_PAGE_BYTES, snapshot_entries(options.snapshot_pages), true},
      {kRulesMap, "rules", 4, sizeof(krait_count), rule_entries(options.rules), true},
      {kFlowsMap, "flows", 4, sizeof(krait_flow_bucket), 1 + sizes.flow_buckets(), false},
      {kFragmentsMap, "fragments", sizeof(krait_fragment_key), sizeof(krait_fragment), sizes.fragments, false},
      {kPairsMap, "pairs", 4, sizeof(krait_pair_bucket), sizes.pair_buckets(), false},
      {kDropsMap, "drops", 4, sizeof(krait_drop_count), KRAIT_REASON_COUNT, false},
      {kEventsMap, kEventsPin, 0, 0, KRAIT_EVENTS_BYTES, false},
      {kWaysMap, "ways", sizeof(krait_way_key), sizeof(krait_way), KRAIT_WAYS, false},
  }};
}

bool fits(int map_fd, const MapShape& shape) {
  const auto info = info_of(map_fd);
  return info && info->key_size == shape.key_bytes && info->value_size == shape.value_bytes &&
         (shape.at_least ? info->max_entries >= shape.entries : info->max_entries == shape.entries);
}

std::uint32_t entries_of(int map_fd) {
  const auto info = info_of(map_fd);
  return info ? info->max_entries : 0;
}

std::optional<Loaded> Loaded::adopt(const Pins& pins, const Options& options) {
  Loaded loaded;
  std::vector<std::uint32_t> ids;
  for (std::size_t i = 0; const MapShape& shape : map_shapes(options)) {
    Fd& map = loaded.maps_[i++];
    map = pins.get(shape.pin);
    const auto info = map.valid() ? info_of(map.get()) : std::nullopt;
    if (!info || !fits(map.get(), shape)) {
      return std::nullopt;
    }
    ids.push_back(info->id);
  }
  if (!is_adoptable_snapshot(loaded.map(MapId::snapshot))) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < kProgramPins.size(); ++i) {
    loaded.programs_[i] = pins.get(kProgramPins[i]);
    if (name_of(loaded.programs_[i].get()) != kProgramNames[i]) {
      return std::nullopt;
    }
    const std::vector<std::uint32_t> used = maps_of(loaded.programs_[i].get());
    if (!std::ranges::all_of(kMapsOfProgram[i], [&](MapId map) {
          return std::ranges::find(used, ids[static_cast<std::size_t>(map)]) != used.end();
        })) {
      return std::nullopt;
    }
  }
  return loaded;
}

Result<Loaded> Loaded::load(const Pins& pins, const Options& options) {
  KRAIT_TRY(auto object, open_krait_object(Framing::network, options.tables));
  KRAIT_TRY(auto guard, open_guard_object());
  KRAIT_CHECK(object.set_entries(kSnapshotMap, snapshot_entries(pages_with_headroom(options))));
  KRAIT_CHECK(object.set_entries(kRulesMap, rule_entries(options.rules)));
  Fd shared_flows;
  for (const MapShape& shape : map_shapes(options)) {
    Fd pinned = pins.get(shape.pin);
    const bool usable = pinned.valid() && fits(pinned.get(), shape) &&
                        (shape.name != kSnapshotMap || is_usable_snapshot(pinned.get())) &&
                        (shape.name != kFlowsMap || flows_layout(pinned.get()) == KRAIT_FLOWS_LAYOUT);
    if (usable && shape.name == kFlowsMap) {
      shared_flows = std::move(pinned);
    } else if (usable) {
      KRAIT_CHECK(object.reuse_map(shape.name, pinned.get()));
    }
  }
  KRAIT_CHECK(load_krait_object(object, shared_flows.get()));
  KRAIT_CHECK(guard.load());
  Loaded loaded;
  for (std::size_t i = 0; const MapShape& shape : map_shapes(options)) {
    loaded.maps_[i++] = duplicate(object.map_fd(shape.name));
  }
  loaded.programs_ = {duplicate(object.program_fd(kProgramNames[0])), duplicate(object.program_fd(kProgramNames[1])),
                      duplicate(guard.program_fd(kProgramNames[2])), duplicate(object.program_fd(kProgramNames[3])),
                      duplicate(object.program_fd(kProgramNames[4]))};
  const auto is_valid = [](const Fd& fd) { return fd.valid(); };
  if (!std::ranges::all_of(loaded.maps_, is_valid) || !std::ranges::all_of(loaded.programs_, is_valid)) {
    return Error::from_errno(errno, "keep the descriptors of the BPF objects");
  }
  return loaded;
}

Programs Loaded::programs() const {
  return {.ingress_fd = programs_[0].get(),
          .egress_fd = programs_[1].get(),
          .guard_fd = programs_[2].get(),
          .fence_fd = programs_[3].get(),
          .fence_port_fd = programs_[4].get()};
}

bool Loaded::shares(const Pins& pins, MapId id) const {
  const Fd pinned = pins.get(map_shapes({})[static_cast<std::size_t>(id)].pin);
  const auto theirs = pinned.valid() ? info_of(pinned.get()) : std::nullopt;
  const auto ours = info_of(map(id));
  return theirs && ours && theirs->id == ours->id;
}

Result<void> Loaded::pin(const Pins& pins) const {
  for (std::size_t i = 0; const MapShape& shape : map_shapes({})) {
    KRAIT_CHECK(pins.replace(shape.pin, maps_[i++].get()));
  }
  for (std::size_t i = 0; i < kProgramPins.size(); ++i) {
    KRAIT_CHECK(pins.replace(kProgramPins[i], programs_[i].get()));
  }
  return {};
}

bool Loaded::is_pinned(const Pins& pins) const {
  for (std::size_t i = 0; i < kMaps; ++i) {
    if (!shares(pins, static_cast<MapId>(i))) {
      return false;
    }
  }
  for (std::size_t i = 0; i < kProgramPins.size(); ++i) {
    const Fd pinned = pins.get(kProgramPins[i]);
    if (!pinned.valid() || program_id(pinned.get()) != program_id(programs_[i].get())) {
      return false;
    }
  }
  return true;
}

Result<Pins> begin_pins(const Pins& pins) {
  KRAIT_CHECK(pins.inner(kNextPins).remove_all());
  return pins.make_inner(kNextPins);
}

Result<void> commit_pins(const Pins& pins) {
  const Pins next = pins.inner(kNextPins);
  for (const MapShape& shape : map_shapes({})) {
    KRAIT_CHECK(pins.take(next, shape.pin));
  }
  // The programs last: by them the next agent knows that this set is the attached one.
  for (const char* pin : kProgramPins) {
    KRAIT_CHECK(pins.take(next, pin));
  }
  return next.remove_all();
}

Result<void> settle_pins(const Pins& pins, std::uint32_t interface_index) {
  const Pins next = pins.inner(kNextPins);
  if (!next.any()) {
    return {};
  }
  const Links links = pinned_links(pins);
  for (const char* pin : kProgramPins) {
    const Fd program = next.get(pin);
    if (program.valid() && is_attached(interface_index, program.get(), links)) {
      return commit_pins(pins);
    }
  }
  return next.remove_all();
}

}  // namespace krait::datapath
