// The clock, held against what was seen before (known_time.h), and the file in which that outlives the agent and the
// machine's sleep without power.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "krait/model/known_time.h"

namespace krait::plan {

// Of the whole host. The folder is the package's to make; without it times are remembered as long as the agent lives.
inline constexpr const char* kTimeFile = "/var/lib/krait/latest_time";

// One thread; blocks on the file system.
class ClockKeeper {
 public:
  // Nothing is read or written yet.
  explicit ClockKeeper(std::string path = kTimeFile) : path_(std::move(path)) {}

  // Looks at the clock, the times of these files (those that are missing tell nothing) and the record, and remembers
  // the latest. A record that somebody took away or set back since save() is believed: what was remembered is
  // forgotten.
  model::KnownTime look(const std::vector<std::string>& files);
  // The same by what look() saw last, and the clock as it is.
  [[nodiscard]] model::KnownTime now() const;
  // Writes what look() saw last, durably.
  void save();

  [[nodiscard]] const std::string& path() const { return path_; }
  // Why what look() found in the file was not believed, or save() could not write it; empty: all is well.
  [[nodiscard]] const std::string& trouble() const { return unread_.empty() ? unsaved_ : unread_; }

 private:
  void read(const common::Moment& clock);

  std::string path_;
  std::string boot_id_;
  std::vector<model::FileTime> files_;
  model::LatestTimes latest_;
  std::uint64_t seen_boot_ns_ = 0;            // when latest_ was that
  std::optional<model::TimeRecord> in_file_;  // read or written last
  std::string unread_;
  std::string unsaved_;
};

// What a program without a memory of its own takes for the time: by these files and, where it may read it, the record.
model::KnownTime time_by(const std::vector<std::string>& files);

}  // namespace krait::plan
