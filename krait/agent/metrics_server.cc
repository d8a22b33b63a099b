#include "krait/agent/metrics_server.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "krait/agent/listen.h"

namespace krait::agent {

using common::Error;
using common::ErrorCode;
using common::Result;

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(Loop& loop, common::Log& log,
                                                            const common::Endpoint& address, Answerer answerer,
                                                            std::chrono::milliseconds retry) {
  std::unique_ptr<MetricsServer> made(new MetricsServer(loop, log, address, std::move(answerer)));
  auto served = made->try_to_serve();
  if (served) {
    return made;
  }
  if (served.error().code() == ErrorCode::invalid_input) {
    return common::passed_on(served, "serve the metrics");
  }
  log.warning(made->fault()->text());
  if (auto armed = made->try_again_every(retry); !armed) {
    return std::move(armed.error());
  }
  return made;
}

MetricsServer::~MetricsServer() { end_timer(); }

std::optional<Fault> MetricsServer::fault() const {
  if (!trouble_) {
    return std::nullopt;
  }
  return Fault{.what = fmt::format("the metrics page is not served: {}", trouble_->text()),
               .mend = fmt::format("find who has the port: ss -ltnp sport = :{}; or give another one: --metrics "
                                   "ADDRESS:PORT, or KRAIT_METRICS",
                                   address_.port)};
}

Result<void> MetricsServer::try_to_serve() {
  auto listener = listen_tcp(address_);
  if (!listener) {
    trouble_ = listener.error();
    return std::move(listener.error());
  }
  auto server = StreamServer::serve(loop_, std::move(*listener), answerer_);
  if (!server) {
    trouble_ = server.error();
    return std::move(server.error());
  }
  server_ = std::move(*server);
  trouble_.reset();
  return {};
}

Result<void> MetricsServer::try_again_every(std::chrono::milliseconds retry) {
  timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(retry);
  const timespec every{.tv_sec = seconds.count(), .tv_nsec = std::chrono::nanoseconds(retry - seconds).count()};
  const itimerspec times{.it_interval = every, .it_value = every};
  if (!timer_.valid() || ::timerfd_settime(timer_.get(), 0, &times, nullptr) != 0) {
    return Error::from_errno(errno, "set a timer");
  }
  auto token = loop_.add(timer_.get(), EPOLLIN, [this](std::uint32_t) { on_timer(); });
  if (!token) {
    return std::move(token.error());
  }
  token_ = *token;
  return {};
}

void MetricsServer::on_timer() {
  std::uint64_t times = 0;
  if (::read(timer_.get(), &times, sizeof(times)) < 0) {
    return;
  }
  if (try_to_serve()) {
    log_.info("the metrics page is served on " + address_.text());
    end_timer();
  }
}

void MetricsServer::end_timer() {
  if (token_) {
    loop_.remove(*token_);
    token_.reset();
  }
  timer_.reset();
}

}  // namespace krait::agent
