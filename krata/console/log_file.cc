#include "krata/console/log_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>

namespace krata::console {

using common::Error;
using common::Fd;
using common::Result;

namespace {

// More than any line takes: its bytes as escapes, and what stands before them.
constexpr std::uint64_t kTailBytes = std::uint64_t{64} << 10U;
static_assert(kTailBytes > 4 * kMaxLineBytes + 128);

Result<Fd> open_to_append(const std::string& path) {
  Fd file(::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) {
    return Error::from_errno(errno, "open the log " + path);
  }
  return file;
}

struct Tail {
  std::uint64_t bytes = 0;  // of the file, up to its last newline
  std::optional<Line> line;
};

Result<Tail> read_tail(int file, const std::string& path) {
  struct stat found{};
  if (::fstat(file, &found) != 0) {
    return Error::from_errno(errno, "look at the log " + path);
  }
  const auto size = static_cast<std::uint64_t>(found.st_size);
  const std::uint64_t start = size > kTailBytes ? size - kTailBytes : 0;
  std::string text(size - start, '\0');
  const ssize_t got = ::pread(file, text.data(), text.size(), static_cast<off_t>(start));
  if (got < 0) {
    return Error::from_errno(errno, "read the log " + path);
  }
  text.resize(static_cast<std::size_t>(got));
  text.resize(text.rfind('\n') + 1);  // npos + 1 is 0
  Tail tail{.bytes = text.empty() ? 0 : start + text.size(), .line = {}};
  if (!text.empty()) {
    const std::size_t before = text.size() >= 2 ? text.rfind('\n', text.size() - 2) : std::string::npos;
    tail.line = parse_line(std::string_view(text).substr(before + 1, text.size() - before - 2));
  }
  return tail;
}

}  // namespace

Result<LogFile> LogFile::open(const std::string& path, std::uint64_t max_bytes) {
  KRAIT_TRY(auto file, open_to_append(path));
  LogFile log(path, std::move(file), max_bytes);
  KRAIT_CHECK(log.recover());
  return log;
}

Result<void> LogFile::recover() {
  KRAIT_TRY(auto tail, read_tail(file_.get(), path_));
  bytes_ = tail.bytes;
  if (::ftruncate(file_.get(), static_cast<off_t>(bytes_)) != 0) {
    return Error::from_errno(errno, "cut the log " + path_);
  }
  if (!tail.line) {
    const Fd former(::open((path_ + ".1").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (former.valid()) {
      KRAIT_TRY(tail, read_tail(former.get(), path_ + ".1"));
    }
  }
  if (tail.line) {
    run_ = tail.line->run;
    offset_ = tail.line->offset;
  }
  return {};
}

Result<void> LogFile::rotate() {
  if (std::rename(path_.c_str(), (path_ + ".1").c_str()) != 0) {
    return Error::from_errno(errno, "put the log " + path_ + " aside");
  }
  KRAIT_TRY(file_, open_to_append(path_));
  bytes_ = 0;
  return {};
}

Result<void> LogFile::append(std::span<const Line> lines) {
  std::string text;
  for (const Line& line : lines) {
    text += line_text(line);
  }
  if (bytes_ > 0 && bytes_ + text.size() > max_bytes_) {
    KRAIT_CHECK(rotate());
  }
  for (std::size_t written = 0; written < text.size();) {
    const ssize_t put = ::write(file_.get(), text.data() + written, text.size() - written);
    if (put < 0 && errno != EINTR) {
      const int why = errno;
      // What cannot be cut off either is, as soon as the log is opened again: it is no whole line.
      [[maybe_unused]] const int cut = ::ftruncate(file_.get(), static_cast<off_t>(bytes_));
      return Error::from_errno(why, "write the log " + path_);
    }
    written += put > 0 ? static_cast<std::size_t>(put) : 0;
  }
  bytes_ += text.size();
  if (!lines.empty()) {
    run_ = lines.back().run;
    offset_ = lines.back().offset;
  }
  return {};
}

// Behind the file that is open: nothing, or a newer one.
bool LogReader::open_next() {
  if (!has_begun_) {
    has_begun_ = true;
    file_.reset(::open((path_ + ".1").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (file_.valid()) {
      return true;
    }
  }
  Fd newest(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat ours{};
  struct stat theirs{};
  if (!newest.valid() || ::fstat(newest.get(), &theirs) != 0 ||
      (file_.valid() && ::fstat(file_.get(), &ours) == 0 && ours.st_ino == theirs.st_ino &&
       ours.st_dev == theirs.st_dev)) {
    return false;
  }
  file_ = std::move(newest);
  rest_.clear();
  return true;
}

Result<std::vector<Line>> LogReader::next() {
  std::vector<Line> lines;
  std::string chunk(kReadBytes, '\0');
  while (lines.empty()) {
    const ssize_t got = file_.valid() ? ::read(file_.get(), chunk.data(), chunk.size()) : 0;
    if (got < 0 && errno != EINTR) {
      return Error::from_errno(errno, "read the log " + path_);
    }
    if (got == 0 && !open_next()) {
      break;
    }
    rest_.append(chunk, 0, got > 0 ? static_cast<std::size_t>(got) : 0);
    std::size_t at = 0;
    for (std::size_t end = rest_.find('\n'); end != std::string::npos; at = end + 1, end = rest_.find('\n', at)) {
      if (auto line = parse_line(std::string_view(rest_).substr(at, end - at))) {
        lines.push_back(std::move(*line));
      }
    }
    rest_.erase(0, at);
  }
  return lines;
}

}  // namespace krata::console
