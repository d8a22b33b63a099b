// A program's one event loop: sleeps in epoll_wait until a descriptor has something to say. Timers and signals are in
// timer.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "common/fd.h"
#include "common/result.h"

namespace common {

// Single-threaded. Whoever registers a descriptor owns it, and removes it before closing it.
class Loop {
 public:
  using Handler = std::function<void(std::uint32_t events)>;  // EPOLLIN, EPOLLOUT, ... as epoll_wait reports them
  using Token = std::uint64_t;

  static Result<std::unique_ptr<Loop>> create();

  Result<Token> add(int fd, std::uint32_t events, Handler handler);
  Result<void> change(Token token, std::uint32_t events);
  // A handler may remove itself or any other; a removed one is not called any more.
  void remove(Token token);

  // Blocks until stop(); may be run again then.
  Result<void> run();
  void stop() { stopped_ = true; }

 private:
  struct Entry {
    int fd;
    std::shared_ptr<Handler> handler;
  };

  explicit Loop(Fd epoll) : epoll_(std::move(epoll)) {}
  void dispatch(Token token, std::uint32_t events);

  Fd epoll_;
  std::unordered_map<Token, Entry> entries_;
  Token next_ = 1;
  bool stopped_ = false;
};

}  // namespace common
