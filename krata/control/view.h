// What the daemon tells of zones and of the host: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "krata/model/zone.h"

namespace krata::control {

enum class ZoneState : std::uint8_t {
  preparing,   // its image, its files
  starting,    // its domain is built, its kernel boots
  running,     // the container
  stopping,    // it was asked to, or has ended and its zone is on its way down
  restarting,  // the container has failed and is started again in a while
  ended,
  removing,  // on its way to nothing
};

std::string_view name_of(ZoneState state);

// Of a domain that is there.
struct ZoneUse {
  std::uint64_t cpu_ns = 0;  // since its start, of all CPUs
  std::uint64_t memory_kib = 0;
  std::uint64_t max_memory_kib = 0;
  std::uint32_t cpus = 0;
};

// Of one disk, since the zone's first run.
struct DiskUse {
  std::string disk;  // as the zone calls it: xvda is its image, xvdb its bundle
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t flushes = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t written_bytes = 0;
  std::uint64_t errors = 0;
};

struct ZoneView {
  model::ZoneRecord record;
  ZoneState state = ZoneState::preparing;
  std::string note{};  // what is under way, or was not done and is tried again; may be empty
  std::optional<ZoneUse> use{};
  std::vector<DiskUse> disks{};  // those that were served
};

// What there is, besides what the record says.
struct Progress {
  bool has_domain = false;
  bool is_container_running = false;
  bool is_held = false;  // stopped until the daemon's next start
};
// Pure.
ZoneState state_of(const model::ZoneRecord& record, const Progress& progress, bool is_restart_due);

}  // namespace krata::control
