#include "krata/daemon/shared_disks.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <map>
#include <string_view>

namespace krata::daemon {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct User {
  std::string_view zone;
  bool writes = false;
};

bool may_run(const model::ZoneRecord& record) {
  return !record.end || (record.goal == model::Goal::run && record.spec.restart == model::Restart::on_failure);
}

}  // namespace

std::optional<FileId> identify_file(const std::string& path) {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) {
    return std::nullopt;
  }
  return S_ISBLK(file.st_mode) ? FileId(0, file.st_rdev) : FileId(file.st_dev, file.st_ino);
}

Result<void> check_disks_apart(const model::ZoneSpec& spec, const std::vector<const model::ZoneRecord*>& others,
                               const IdentifyFile& identify) {
  std::multimap<FileId, User> users;
  for (const model::ZoneRecord* other : others) {
    for (const model::DiskSpec& disk : other->spec.disks) {
      if (const auto id = may_run(*other) ? identify(disk.file) : std::nullopt) {
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
