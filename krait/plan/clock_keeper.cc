#include "krait/plan/clock_keeper.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "common/fd.h"
#include "common/file.h"

namespace krait::plan {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::int64_t kNsPerS = 1'000'000'000;
constexpr std::int64_t kBuiltNs = std::int64_t{KRAIT_SOURCE_DATE} * kNsPerS;
// Two times of the same moment, taken by two agents, differ less.
constexpr std::int64_t kSameNs = kNsPerS;

bool is_synchronized() {
  timex state{};  // modes is 0: it only reads
  const int status = ::adjtimex(&state);
  return status >= 0 && status != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

std::string boot_id() {
  auto text = common::read_file("/proc/sys/kernel/random/boot_id", 64);
  return text ? text->substr(0, text->find('\n')) : std::string();
}

std::vector<model::FileTime> times_of(const std::vector<std::string>& files) {
  constexpr std::int64_t kMaxS = 9'000'000'000;  // more does not fit into 64 bits of nanoseconds
  std::vector<model::FileTime> times;
  for (const std::string& file : files) {
    struct stat info{};
    if (!file.empty() && ::stat(file.c_str(), &info) == 0 && info.st_mtim.tv_sec >= 0 && info.st_mtim.tv_sec < kMaxS) {
      times.push_back({.file = file, .changed_ns = info.st_mtim.tv_sec * kNsPerS + info.st_mtim.tv_nsec});
    }
  }
  return times;
}

// Only root, this program's user and the folder's owner may have written it, and it is no link to something else.
bool is_ours(const std::string& path, const struct stat& info) {
  struct stat folder{};
  const std::string name = path.substr(0, path.rfind('/'));
  return S_ISREG(info.st_mode) && info.st_nlink == 1 && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
         (info.st_uid == 0 || info.st_uid == ::geteuid() ||
          (::stat(name.c_str(), &folder) == 0 && info.st_uid == folder.st_uid));
}

// Nothing: there is no file.
Result<std::optional<model::TimeRecord>> read_record(const std::string& path) {
  const common::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid() && (errno == ENOENT || errno == ENOTDIR)) {
    return std::optional<model::TimeRecord>();
  }
  const auto refuse = [&](const char* why) { return Error(ErrorCode::invalid_input, fmt::format("{} {}", path, why)); };
  if (!fd.valid()) {
    return errno == ELOOP ? refuse("is a link, and is not followed") : Error::from_errno(errno, "open " + path);
  }
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) {
    return Error::from_errno(errno, "stat " + path);
  }
  if (!is_ours(path, info)) {
    return refuse("may be written by others, and is not believed");
  }
  std::array<char, 256> text{};
  KRAIT_TRY(const std::size_t bytes, common::read_into(fd.get(), text, path));
  auto record = model::parse_record(std::string_view(text.data(), bytes), kBuiltNs);
  return record ? Result<std::optional<model::TimeRecord>>(std::move(record)) : refuse("is not what krait wrote");
}

}  // namespace

void ClockKeeper::read(const common::Moment& clock) {
  auto record = read_record(path_);
  if (!record) {
    unread_ = record.error().text();
    return;
  }
  unread_.clear();
  if (*record == in_file_) {
    return;
  }
  const auto times_at = [&](const model::TimeRecord& of) { return model::latest_at(of, boot_id_, clock.boot_ns); };
  const model::LatestTimes found = *record ? times_at(**record) : model::LatestTimes();
  const bool undone = in_file_ && found.any_ns + kSameNs < times_at(*in_file_).any_ns;
  latest_ = undone ? found
                   : model::LatestTimes{.any_ns = std::max(latest_.any_ns, found.any_ns),
                                        .synchronized_ns = std::max(latest_.synchronized_ns, found.synchronized_ns)};
  in_file_ = std::move(*record);
}

model::KnownTime ClockKeeper::look(const std::vector<std::string>& files) {
  if (boot_id_.empty()) {
    boot_id_ = boot_id();
  }
  files_ = times_of(files);
  const common::Moment clock = common::now();
  latest_ = model::later(latest_, clock.boot_ns - seen_boot_ns_);
  seen_boot_ns_ = clock.boot_ns;
  read(clock);
  model::KnownTime known = now();
  latest_ = known.latest;
  seen_boot_ns_ = known.now.boot_ns;
  return known;
}

model::KnownTime ClockKeeper::now() const {
  const common::Moment clock = common::now();
  return model::known_time({.clock = clock,
                            .synchronized = is_synchronized(),
                            .built_ns = kBuiltNs,
                            .latest = model::later(latest_, clock.boot_ns - seen_boot_ns_),
                            .files = files_});
}

void ClockKeeper::save() {
  model::TimeRecord record{.boot_id = boot_id_, .boot_ns = seen_boot_ns_, .latest = latest_};
  if (auto written = common::write_file(path_, model::record_text(record), 0644); !written) {
    unsaved_ = written.error().text();
    return;
  }
  unsaved_.clear();
  in_file_ = std::move(record);
}

model::KnownTime time_by(const std::vector<std::string>& files) { return ClockKeeper().look(files); }

}  // namespace krait::plan
