#include "krata/store/run.h"

#include <fmt/format.h>

#include <csignal>
#include <memory>
#include <span>

#include "common/confine/confine.h"
#include "common/event/loop.h"
#include "common/event/notify.h"
#include "common/event/timer.h"
#include "common/event/unix_socket.h"
#include "common/memory.h"
#include "krata/store/journal.h"
#include "krata/store/no_rings.h"
#include "krata/store/rings.h"
#include "krata/store/server.h"
#include "krata/store/serving.h"
#include "krata/xen/requests.h"

namespace krata::store {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr unsigned kSocketMode = 0600;  // who connects speaks for domain 0

// Without a user, for tests, nothing is given away.
Result<void> give_away(const Options& options, std::span<const unsigned long> ioctls) {
  return options.user.empty() ? Result<void>() : common::confine({.user = options.user, .ioctls = ioctls});
}

}  // namespace

Result<void> check_is_alone() {
  return is_served(kOtherSocket)
             ? Error(ErrorCode::unavailable,
                     fmt::format("another xenstored serves at {}, and domain 0's kernel takes one alone: krata uses "
                                 "that one, and krata-store is not needed",
                                 kOtherSocket))
             : Result<void>();
}

Result<void> run(const Options& options, common::Log& log) {
  KRAIT_TRY(const auto loop, common::Loop::create());
  KRAIT_TRY(const auto signals,
            common::Signals::receive(*loop, {SIGTERM, SIGINT}, [&loop](int /*number*/) { loop->stop(); }));
  KRAIT_TRY(auto socket, common::ControlSocket::listen(options.socket, "name another one with --socket", kSocketMode));
  NoRings no_rings;
  std::unique_ptr<RingServer> rings;
  if (!options.without_xen) {
    KRAIT_TRY(rings, RingServer::open(log, [&options] { return give_away(options, xen::hypercall_requests()); }));
  }
  Store store(rings ? static_cast<Rings&>(*rings) : no_rings, Quota{}, !options.state.empty());
  std::unique_ptr<Journal> journal;
  if (!options.state.empty()) {
    KRAIT_TRY(journal, Journal::open(options.state, store));
    common::release_free_memory();  // it has read whole files
  }
  KRAIT_TRY(const auto server, Server::serve(*loop, socket.take(), store, journal.get()));
  if (rings) {
    KRAIT_CHECK(rings->serve(*loop, store, *server), "serve the rings");
  }
  common::notify_ready("xenstore is served");  // whoever connects waits for the loop; later no socket can be made
  KRAIT_CHECK(give_away(options, xen::device_requests()));
  KRAIT_CHECK(loop->run());
  if (rings) {
    KRAIT_CHECK(rings->failure());
  }
  return server->failure();
}

}  // namespace krata::store
