#include "krait/agent/metrics_server.h"

#include <fmt/format.h>

#include <string>

#include "common/event/loopback.h"

namespace krait::agent {

using common::ErrorCode;
using common::Result;

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(common::Loop& loop, common::Log& log,
                                                            const common::Endpoint& address, common::Answerer answerer,
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
  KRAIT_CHECK(made->try_again_every(retry));
  return made;
}

std::optional<control::Fault> MetricsServer::fault() const {
  if (!trouble_) {
    return std::nullopt;
  }
  return control::Fault{
      .what = fmt::format("the metrics page is not served: {}", trouble_->text()),
      .hint = fmt::format("find who has the port: ss -ltnp sport = :{}; or give another one: --metrics "
                          "ADDRESS:PORT, or KRAIT_METRICS",
                          address_.port)};
}

Result<void> MetricsServer::try_to_serve() {
  auto listener = common::listen_tcp(address_);
  if (!listener) {
    trouble_ = listener.error();
    return std::move(listener.error());
  }
  auto server = common::StreamServer::serve(loop_, std::move(*listener), answerer_);
  if (!server) {
    trouble_ = server.error();
    return std::move(server.error());
  }
  server_ = std::move(*server);
  trouble_.reset();
  return {};
}

Result<void> MetricsServer::try_again_every(std::chrono::milliseconds retry) {
  auto timer = common::Timer::create(loop_, [this] {
    if (try_to_serve()) {
      log_.info("the metrics page is served on " + address_.text());
      timer_ = {};
    }
  });
  if (!timer) {
    return std::move(timer.error());
  }
  timer_ = std::move(*timer);
  timer_.every(retry);
  return {};
}

}  // namespace krait::agent
