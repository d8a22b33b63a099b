// The Unix socket that clients of the store come to.
#pragma once

#include <string>

#include "common/event/lock_file.h"
#include "common/fd.h"
#include "common/result.h"

namespace krata::store {

// A listening socket that only root and this process's user may connect to (mode 0600), and the lock that says there is
// only one. Move-only; the destructor removes both files.
class Listener {
 public:
  // Takes the lock <path>.lock and replaces a socket that nobody serves any more. The folder must exist. Fails with
  // unavailable when another store serves the path, with invalid_input when something else than a socket is there. Sets
  // the process's umask for a moment.
  static common::Result<Listener> listen(const std::string& path);

  Listener(Listener&& other) noexcept = default;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  // The listening descriptor, non-blocking; whoever takes it closes it.
  [[nodiscard]] common::Fd take() { return std::move(socket_); }

 private:
  Listener(std::string path, common::LockFile lock, common::Fd socket)
      : path_(std::move(path)), lock_(std::move(lock)), socket_(std::move(socket)) {}

  std::string path_;
  common::LockFile lock_;
  common::Fd socket_;
};

}  // namespace krata::store
