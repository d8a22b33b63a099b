#include "krata/xen/teller.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace krata::xen {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

// Of the new process: where its end is, and nothing above it.
constexpr int kOwnEnd = STDERR_FILENO + 1;

// The first message: this, or an error's code and text.
constexpr std::string_view kReady = "ready";
constexpr std::size_t kMaxTextBytes = 1024;

Error no_answer(int error) {
  return Error::from_errno(error == 0 ? EPIPE : error, "the process that asks the hypervisor has ended");
}

ssize_t receive(int fd, void* bytes, std::size_t size) {
  ssize_t got = -1;
  do {
    got = ::recv(fd, bytes, size, 0);
  } while (got < 0 && errno == EINTR);
  return got;
}

std::string first_message(const Result<void>& ready) {
  return ready ? std::string(kReady)
               : static_cast<char>(ready.error().code()) + ready.error().text().substr(0, kMaxTextBytes);
}

Result<void> read_first(int fd) {
  std::array<char, kMaxTextBytes + 1> bytes;
  const ssize_t got = receive(fd, bytes.data(), bytes.size());
  if (got < 0) {
    return no_answer(errno);
  }
  const std::string_view text(bytes.data(), static_cast<std::size_t>(got));
  if (text == kReady) {
    return {};
  }
  return text.empty() ? no_answer(0) : Error(static_cast<ErrorCode>(text.front()), std::string(text.substr(1)));
}

Life life_of(const Teller::Ask& ask, DomainId domain) {
  const auto info = ask(domain);
  if (!info) {
    std::_Exit(EXIT_FAILURE);  // it cannot tell any more, and an answer would be made up
  }
  if (!*info || (*info)->is_dying) {
    return Life::gone;
  }
  return (*info)->shutdown ? Life::shut_down : Life::runs;
}

void answer(int fd, const Teller::Ask& ask) {
  DomainId domain = 0;
  while (receive(fd, &domain, sizeof(domain)) == sizeof(domain)) {
    const Life life = life_of(ask, domain);
    if (::send(fd, &life, sizeof(life), MSG_NOSIGNAL) != sizeof(life)) {
      return;
    }
  }
}

// Until the other end is closed.
[[noreturn]] void serve(const Fd& end, const Teller::Parts& parts) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  ::prctl(PR_SET_NAME, "krata-teller", 0, 0, 0);
  // With the caller's locks and sockets nothing would be free when the caller has ended.
  if ((end.get() != kOwnEnd && ::dup2(end.get(), kOwnEnd) != kOwnEnd) ||
      ::syscall(SYS_close_range, kOwnEnd + 1, ~0U, 0) != 0) {
    std::_Exit(EXIT_FAILURE);
  }
  auto ask = parts.open();
  const auto ready = ask ? parts.give_away() : Result<void>(std::move(ask.error()));
  const std::string message = first_message(ready);
  if (::send(kOwnEnd, message.data(), message.size(), MSG_NOSIGNAL) >= 0 && ready) {
    answer(kOwnEnd, *ask);
  }
  std::_Exit(ready ? EXIT_SUCCESS : EXIT_FAILURE);
}

}  // namespace

Result<Teller> Teller::start(const Parts& parts) {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Error::from_errno(errno, "make a pair of sockets");
  }
  Fd own(ends[0]);
  Fd other(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) {
    return Error::from_errno(errno, "start the process that asks the hypervisor");
  }
  if (child == 0) {
    serve(other, parts);
  }
  other.reset();
  KRAIT_CHECK(read_first(own.get()));
  return Teller(std::move(own));
}

Result<Life> Teller::look(DomainId domain) const {
  Life life{};
  if (::send(fd_.get(), &domain, sizeof(domain), MSG_NOSIGNAL) != sizeof(domain)) {
    return no_answer(errno);
  }
  const ssize_t got = receive(fd_.get(), &life, sizeof(life));
  return got == sizeof(life) ? Result<Life>(life) : Result<Life>(no_answer(got < 0 ? errno : 0));
}

}  // namespace krata::xen
