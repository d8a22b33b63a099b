#include "common/event/unix_socket.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace common {

namespace {

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return Error(ErrorCode::invalid_input, fmt::format("the socket's path has {} characters; give one of 1 to {}",
                                                       path.size(), sizeof(address.sun_path) - 1));
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

Result<Fd> make_socket(int extra_flags) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | extra_flags, 0));
  if (!fd.valid()) {
    return Error::from_errno(errno, "make a Unix socket");
  }
  return fd;
}

// The socket's file gets the descriptor's mode less the umask: a chmod(2) afterwards would go by the name, which may be
// another file's by then.
bool bind_with_mode(const Fd& listener, const sockaddr_un& address, unsigned mode) {
  if (::fchmod(listener.get(), mode) != 0) {
    return false;
  }
  const mode_t umask = ::umask(0);
  const bool bound = ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  const int failed = errno;
  ::umask(umask);
  errno = failed;
  return bound;
}

}  // namespace

Result<ControlSocket> ControlSocket::listen(const std::string& path, std::string_view hint, unsigned mode) {
  KRAIT_TRY(auto address, address_of(path));
  KRAIT_CHECK(make_own_directory_of(path, hint));
  KRAIT_TRY(auto lock,
            LockFile::take(path + ".lock", fmt::format("another process already serves {}; end it first", path)));
  struct stat found{};
  if (::lstat(path.c_str(), &found) == 0 && !S_ISSOCK(found.st_mode)) {
    return Error(ErrorCode::invalid_input, path + " exists and is no socket");
  }
  ::unlink(path.c_str());  // of a process that was killed: its lock was free
  KRAIT_TRY(auto listener, make_socket(SOCK_NONBLOCK));
  if (!bind_with_mode(listener, address, mode) || ::listen(listener.get(), 64) != 0) {
    return Error::from_errno(errno, "listen on " + path);
  }
  return ControlSocket(path, std::move(lock), std::move(listener));
}

ControlSocket::~ControlSocket() {
  if (lock_.held()) {
    ::unlink(path_.c_str());
    lock_.remove_file();
  }
}

Result<Fd> connect_unix(const std::string& path, const Served& served) {
  KRAIT_TRY(auto address, address_of(path));
  KRAIT_TRY(auto fd, make_socket(0));
  const timeval patience{.tv_sec = kConnectSeconds, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return fd;
  }
  if (errno == ENOENT || errno == ECONNREFUSED) {
    return Error(ErrorCode::unavailable,
                 fmt::format("no {} answers at {}; start it: {}", served.by, path, served.start));
  }
  if (errno == EAGAIN) {
    return Error(ErrorCode::system,
                 fmt::format("the {} at {} has taken no request for {} s", served.by, path, kConnectSeconds));
  }
  return Error::from_errno(errno, "connect to " + path);
}

}  // namespace common
