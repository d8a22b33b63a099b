#include "krata/store/run.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <cerrno>
#include <csignal>
#include <memory>

#include "common/memory.h"
#include "krata/store/journal.h"
#include "krata/store/listener.h"
#include "krata/store/no_rings.h"
#include "krata/store/server.h"

namespace krata::store {

using common::Error;
using common::Fd;
using common::Loop;
using common::Result;

namespace {

Result<Fd> signals_to_end() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) {
    return Error::from_errno(errno, "block signals");
  }
  Fd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) {
    return Error::from_errno(errno, "watch for signals");
  }
  return fd;
}

}  // namespace

Result<void> run(const Options& options) {
  auto signals = signals_to_end();
  if (!signals) {
    return signals.error();
  }
  auto listener = Listener::listen(options.socket);
  if (!listener) {
    return listener.error();
  }
  NoRings rings;
  Store store(rings, Quota{}, !options.state.empty());
  std::unique_ptr<Journal> journal;
  if (!options.state.empty()) {
    auto opened = Journal::open(options.state, store);
    if (!opened) {
      return opened.error();
    }
    journal = std::move(*opened);
    common::release_free_memory();  // it has read whole files
  }
  auto loop = Loop::create();
  if (!loop) {
    return loop.error();
  }
  const auto ended = (*loop)->add(signals->get(), EPOLLIN, [&](std::uint32_t) { (*loop)->stop(); });
  if (!ended) {
    return ended.error();
  }
  auto server = Server::serve(**loop, listener->take(), store, journal.get());
  if (!server) {
    return server.error();
  }
  if (auto ran = (*loop)->run(); !ran) {
    return ran;
  }
  return (*server)->failure();
}

}  // namespace krata::store
