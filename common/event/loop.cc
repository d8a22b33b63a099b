#include "common/event/loop.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>

namespace common {

Result<std::unique_ptr<Loop>> Loop::create() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) {
    return Error::from_errno(errno, "make an epoll instance");
  }
  return std::unique_ptr<Loop>(new Loop(std::move(epoll)));
}

Result<Loop::Token> Loop::add(int fd, std::uint32_t events, Handler handler) {
  const Token token = next_++;
  epoll_event event{.events = events, .data = {.u64 = token}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return Error::from_errno(errno, "watch a descriptor");
  }
  entries_.emplace(token, Entry{fd, std::make_shared<Handler>(std::move(handler))});
  return token;
}

Result<void> Loop::change(Token token, std::uint32_t events) {
  const auto entry = entries_.find(token);
  if (entry == entries_.end()) {
    return Error(ErrorCode::not_found, "change a descriptor that is not watched");
  }
  epoll_event event{.events = events, .data = {.u64 = token}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, entry->second.fd, &event) != 0) {
    return Error::from_errno(errno, "change a watched descriptor");
  }
  return {};
}

void Loop::remove(Token token) {
  const auto entry = entries_.find(token);
  if (entry == entries_.end()) {
    return;
  }
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, entry->second.fd, nullptr);
  entries_.erase(entry);
}

void Loop::dispatch(Token token, std::uint32_t events) {
  const auto entry = entries_.find(token);
  if (entry == entries_.end()) {
    return;  // removed by an earlier handler of the same round
  }
  const std::shared_ptr<Handler> handler = entry->second.handler;  // outlives its own removal
  (*handler)(events);
}

Result<void> Loop::run() {
  std::array<epoll_event, 64> events{};
  while (!stopped_) {
    const int got = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    if (got < 0 && errno != EINTR) {
      return Error::from_errno(errno, "wait for events");
    }
    for (int i = 0; i < got && !stopped_; ++i) {
      dispatch(events[static_cast<std::size_t>(i)].data.u64, events[static_cast<std::size_t>(i)].events);
    }
  }
  stopped_ = false;
  return {};
}

}  // namespace common
