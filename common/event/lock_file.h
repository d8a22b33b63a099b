// A file that is locked while its owner lives. The kernel drops the lock with the process, however it ends.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "common/fd.h"
#include "common/result.h"

namespace common {

// make_directory_of() for a program that is to work there. Fails with permission where anybody but root and this
// process's user could exchange what is in it: names that the program goes by would lead elsewhere. `hint`: what to do
// when it is another user's.
Result<void> make_own_directory_of(const std::string& path, std::string_view hint);

inline constexpr std::chrono::milliseconds kLockPatience{1000};

// Move-only; the destructor lets go of the lock and leaves the file.
class LockFile {
 public:
  // Fails with unavailable and `taken` when somebody else holds the lock. Waits for it kLockPatience: a process that
  // was killed while it started another one leaves the lock to that until its first instruction.
  static Result<LockFile> take(const std::string& path, const std::string& taken);

  [[nodiscard]] bool held() const { return fd_.valid(); }
  void remove_file() const;  // the lock stays held
  // What the file holds is up to its owner, and outlives it.
  Result<void> write(const std::string& text) const;

 private:
  LockFile(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  Fd fd_;
};

}  // namespace common
