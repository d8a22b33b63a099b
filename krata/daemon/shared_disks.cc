#include "krata/daemon/shared_disks.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace krata::daemon {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct User {
  std::string_view zone;
  bool writes = false;
};

// What tells a file or a block device from all others, whatever its path; nothing: it is not there.
using FileId = std::pair<std::uint64_t, std::uint64_t>;

std::optional<FileId> identify(const std::string& path) {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) {
    return std::nullopt;
  }
  return S_ISBLK(file.st_mode) ? FileId(0, file.st_rdev) : FileId(file.st_dev, file.st_ino);
}

}  // namespace

Result<void> check_disks_apart(const model::ZoneSpec& spec, const std::vector<const model::ZoneRecord*>& others) {
  if (spec.disks.empty()) {
    return {};
  }
  std::multimap<FileId, User> users;
  for (const model::ZoneRecord* other : others) {
    for (const model::DiskSpec& disk : other->spec.disks) {
      if (const auto id = identify(disk.file)) {
        users.emplace(*id, User{.zone = other->spec.name, .writes = !disk.read_only});
      }
    }
  }
  for (const model::DiskSpec& disk : spec.disks) {
    const auto id = identify(disk.file);
    if (!id) {
      continue;  // which whoever opens it says
    }
    for (auto [user, end] = users.equal_range(*id); user != end; ++user) {
      if (!disk.read_only || user->second.writes) {
        return Error(ErrorCode::invalid_input,
                     fmt::format("the disk {} is the zone {}'s, and one of both writes to it, which would destroy its "
                                 "file system; give each a disk of its own, or :ro to all that share one",
                                 disk.file, user->second.zone));
      }
    }
    users.emplace(*id, User{.zone = spec.name, .writes = !disk.read_only});
  }
  return {};
}

}  // namespace krata::daemon
