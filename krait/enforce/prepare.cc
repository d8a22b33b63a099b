#include "krait/enforce/prepare.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "krait/plan/joined.h"
#include "krait/rundir/bpffs.h"

namespace krait::enforce {

common::Result<void> prepare_for(const std::string& user, const std::string& joined_file) {
  std::array<char, 16384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  const int error = ::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) {
    return error != 0 ? common::Error::from_errno(error, "look up the user " + user)
                      : common::Error(common::ErrorCode::not_found,
                                      fmt::format("there is no user {0}; adduser --system --group {0}", user));
  }
  plan::make_missing_pair_key(joined_file);
  auto done = rundir::mount_bpffs(rundir::kBpffs);
  done = done ? rundir::give_bpffs(rundir::kBpffs, entry.pw_uid, entry.pw_gid) : std::move(done);
  return done;
}

}  // namespace krait::enforce
