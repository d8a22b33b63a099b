// A program's Unix socket: who may listen on a path, and how to reach it.
#pragma once

#include <string>

#include "common/event/lock_file.h"
#include "common/fd.h"
#include "common/result.h"

namespace common {

// A listening socket and the lock that says there is only one. Move-only; the destructor removes both files.
class ControlSocket {
 public:
  // Makes the directory (0755) when it is missing, takes the lock <path>.lock, replaces a stale socket and listens.
  // `mode` is the socket's: with 0666 anybody may connect, with 0600 root and this process's user. Fails with
  // unavailable when another process holds the lock, and with permission in a directory that somebody else may write to
  // (make_own_directory_of, with `hint`). Sets the process's umask for a moment.
  static Result<ControlSocket> listen(const std::string& path, std::string_view hint, unsigned mode = 0666);

  ControlSocket(ControlSocket&& other) noexcept = default;
  ControlSocket& operator=(ControlSocket&&) = delete;
  ~ControlSocket();

  // The listening descriptor, non-blocking; whoever takes it closes it.
  [[nodiscard]] Fd take() { return std::move(listener_); }

 private:
  ControlSocket(std::string path, LockFile lock, Fd listener)
      : path_(std::move(path)), lock_(std::move(lock)), listener_(std::move(listener)) {}

  std::string path_;
  LockFile lock_;
  Fd listener_;
};

// A connected, blocking stream. Fails with unavailable when nobody listens. Waits at most kConnectSeconds for a place
// in the listener's queue.
inline constexpr int kConnectSeconds = 10;
// For errors: what serves it, and how that is started.
struct Served {
  std::string_view by = "agent";
  std::string_view start = "systemctl start krait-agent, or krait up";
};
Result<Fd> connect_unix(const std::string& path, const Served& served = {});

}  // namespace common
