#include "krata/store/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace krata::store {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::LockFile;
using common::Result;

namespace {

constexpr int kBacklog = 64;

// The file gets its mode from the umask: a chmod(2) afterwards would leave a moment in between.
bool bind_for_owner(const Fd& socket, const sockaddr_un& address) {
  const mode_t umask = ::umask(0177);
  const bool is_bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  const int failed = errno;
  ::umask(umask);
  errno = failed;
  return is_bound;
}

}  // namespace

Result<Listener> Listener::listen(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return Error(ErrorCode::invalid_input, "the socket's path has " + std::to_string(path.size()) +
                                               " characters; give one of 1 to " +
                                               std::to_string(sizeof(address.sun_path) - 1));
  }
  std::ranges::copy(path, address.sun_path);
  auto lock = LockFile::take(path + ".lock", "another store already serves " + path + "; stop it first");
  if (!lock) {
    return lock.error();
  }
  struct stat found{};
  if (::lstat(path.c_str(), &found) == 0 && !S_ISSOCK(found.st_mode)) {
    return Error(ErrorCode::invalid_input, path + " exists and is no socket; remove it or give another path");
  }
  ::unlink(path.c_str());  // of a store that was killed: its lock was free
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) {
    return Error::from_errno(errno, "make a Unix socket");
  }
  if (!bind_for_owner(socket, address) || ::listen(socket.get(), kBacklog) != 0) {
    return Error::from_errno(errno, "listen on " + path);
  }
  return Listener(path, std::move(*lock), std::move(socket));
}

Listener::~Listener() {
  if (lock_.held()) {
    ::unlink(path_.c_str());
    lock_.remove_file();
  }
}

}  // namespace krata::store
