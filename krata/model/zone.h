// What a zone is to be, and what it is: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krata/model/zone_id.h"

namespace krata::model {

enum class Restart : std::uint8_t {
  never,
  on_failure,  // when the container ends with anything but code 0, or its kernel does
};

struct DiskSpec {
  std::string file;   // absolute, on the host
  std::string mount;  // absolute, in the zone; "/": what the container writes lies there, and stays
  bool read_only = false;

  bool operator==(const DiskSpec&) const = default;
};

// What may be changed while the zone runs.
struct Resources {
  std::uint32_t cpus = 1;
  std::uint32_t memory_mib = 256;
  std::uint32_t weight = 256;  // of its CPU time against other zones': Xen's default
  std::uint32_t cap = 0;       // per cent of one CPU at most; 0: no limit

  bool operator==(const Resources&) const = default;
};

struct ZoneSpec {
  std::string name;                  // unique
  std::string image;                 // as the store of images calls it
  std::vector<std::string> command;  // empty: the image's
  std::vector<std::string> env;      // NAME=VALUE, over the image's
  std::string workdir;               // empty: the image's
  std::string user;                  // likewise
  std::string hostname;              // empty: the name
  std::string kernel;                // by its name; empty: the host's default
  Resources resources;
  bool tty = false;
  bool input =
      false;  // the container's input waits for whoever attaches; otherwise it is at its end, but for a terminal
  std::vector<DiskSpec> disks;
  Restart restart = Restart::never;

  bool operator==(const ZoneSpec&) const = default;
};

// invalid_input or limit, with what is wrong and what to write instead.
common::Result<void> check(const ZoneSpec& spec);
common::Result<void> check(const Resources& resources);
bool is_name(std::string_view text);  // a to z, 0 to 9 and inner dashes, at most kNameBytes, and no ZoneId

// What the owner of a zone wants.
enum class Goal : std::uint8_t {
  run,
  stop,    // ended; its logs and its exit stay
  forget,  // nothing of it is left
};

// How a run of the container ended.
struct End {
  enum class Reason : std::uint8_t {
    exited,         // by itself: code
    signalled,      // signal
    out_of_memory,  // the zone's kernel killed it: signal
    panicked,       // the zone's kernel did
    stopped,        // krata ended it, asked to: code or signal when it obeyed in time
    lost,           // its domain is gone, and nobody knows how
    not_started,    // text says why
  };

  Reason reason = Reason::lost;
  std::int32_t code = 0;    // 0 to 255; 128 + signal where that ended it, as shells have it
  std::int32_t signal = 0;  // 0: none
  std::string text{};       // for people; may be empty

  [[nodiscard]] bool is_failure() const { return code != 0; }
  bool operator==(const End&) const = default;
};

std::string_view name_of(End::Reason reason);
std::optional<End::Reason> reason_of(std::string_view name);
// What a command that waited for it exits with when nobody knows a code: as docker and podman have it for a container
// that could not be run.
inline constexpr std::int32_t kUnknownCode = 125;

// A zone as it was written down: what survives a restart of the daemon.
struct ZoneRecord {
  ZoneId id;
  ZoneSpec spec;
  Goal goal = Goal::run;
  std::int64_t created_s = 0;  // Unix time, as all that follow
  std::string root{};          // the digest of the image's manifest, once its file system was made; ALGORITHM:HEX
  std::uint32_t run = 1;       // counts the starts of the container
  bool is_to_start = false;    // once more, as soon as nothing is left of the run that has ended
  std::uint32_t failures = 0;  // of runs in a row that ended soon, before this one
  std::optional<std::uint32_t> domain{};  // that holds this run, once it was built whole
  std::int64_t started_s = 0;             // 0: this run was not started
  std::int64_t ended_s = 0;
  std::optional<End> heard_end{};  // what this run's container said of its end; its zone may not have ended yet
  std::optional<End> end{};        // of this run

  bool operator==(const ZoneRecord&) const = default;
};

}  // namespace krata::model
