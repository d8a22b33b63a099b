// A zone's log on disk, of bounded size: FILE, and FILE.1 with what came before it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "krata/console/lines.h"

namespace krata::console {

inline constexpr std::uint64_t kMaxLogBytes = std::uint64_t{4} << 20U;  // of either file

// Appends. One process a file. Blocks on the disk's cache only.
class LogFile {
 public:
  // Makes it (0600) where it is missing. What a crash of the host left of a last line is cut off.
  static common::Result<LogFile> open(const std::string& path, std::uint64_t max_bytes = kMaxLogBytes);

  // All of them, or none: what there is no room for is taken back.
  common::Result<void> append(std::span<const Line> lines);

  // Behind the last line of this run, which is the newest; 0: there is none.
  [[nodiscard]] std::uint64_t offset(std::uint32_t run) const { return run == run_ ? offset_ : 0; }

 private:
  LogFile(std::string path, common::Fd file, std::uint64_t max_bytes)
      : path_(std::move(path)), file_(std::move(file)), max_bytes_(max_bytes) {}
  common::Result<void> recover();
  common::Result<void> rotate();

  std::string path_;
  common::Fd file_;
  std::uint64_t max_bytes_;
  std::uint64_t bytes_ = 0;
  std::uint32_t run_ = 0;  // of the last line that was appended
  std::uint64_t offset_ = 0;
};

// Reads a log from its beginning while it is written.
class LogReader {
 public:
  // A log that is not there yet has no lines.
  explicit LogReader(std::string path) : path_(std::move(path)) {}

  // The next lines, some kReadBytes of them. None: what was written by now has been read.
  common::Result<std::vector<Line>> next();

 private:
  bool open_next();

  std::string path_;
  common::Fd file_;
  bool has_begun_ = false;
  std::string rest_;  // of a line
};

inline constexpr std::size_t kReadBytes = std::size_t{64} << 10U;

}  // namespace krata::console
