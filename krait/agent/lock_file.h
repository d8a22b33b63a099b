// A file that is locked while its owner lives. The kernel drops the lock with the process, however it ends.
#pragma once

#include <string>

#include "common/fd.h"
#include "common/result.h"

namespace krait::agent {

inline constexpr const char* kRunDirectory = "/run/krait";

// Makes the directory that `path` stands in (0755) when it is missing; its own directory must exist.
common::Result<void> make_directory_of(const std::string& path);

// The same for an agent that is to work there. Fails with permission, and the mend, where anybody but root and this
// process's user could exchange what is in it: names that the agent goes by would lead elsewhere.
common::Result<void> make_own_directory_of(const std::string& path);

// Move-only; the destructor lets go of the lock and leaves the file.
class LockFile {
 public:
  // Fails with unavailable and `taken` when somebody else holds the lock.
  static common::Result<LockFile> take(const std::string& path, const std::string& taken);

  [[nodiscard]] bool held() const { return fd_.valid(); }
  void remove_file() const;  // the lock stays held
  // What the file holds is up to its owner, and outlives it.
  common::Result<void> write(const std::string& text) const;

 private:
  LockFile(std::string path, common::Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  common::Fd fd_;
};

}  // namespace krait::agent
