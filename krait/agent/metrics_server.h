// Serves the metrics page, as soon as its address is free: somebody else on this host may have taken the port first,
// and that must not keep the agent from its work.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "common/event/loop.h"
#include "common/event/stream_server.h"
#include "common/event/timer.h"
#include "common/ip.h"
#include "common/log.h"
#include "common/result.h"
#include "krait/control/state.h"

namespace krait::agent {

inline constexpr std::chrono::seconds kPortRetry{60};

class MetricsServer {
 public:
  // Fails with invalid_input for an address that is not a loopback one. One that is taken, or that nobody has, is tried
  // again every `retry`; what holds the port is a fault meanwhile. Loop and log must outlive it.
  static common::Result<std::unique_ptr<MetricsServer>> start(common::Loop& loop, common::Log& log,
                                                              const common::Endpoint& address,
                                                              common::Answerer answerer,
                                                              std::chrono::milliseconds retry = kPortRetry);
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // Why nobody can read the page; none: it is served.
  [[nodiscard]] std::optional<control::Fault> fault() const;

 private:
  MetricsServer(common::Loop& loop, common::Log& log, const common::Endpoint& address, common::Answerer answerer)
      : loop_(loop), log_(log), address_(address), answerer_(std::move(answerer)) {}
  common::Result<void> try_to_serve();
  common::Result<void> try_again_every(std::chrono::milliseconds retry);

  common::Loop& loop_;
  common::Log& log_;
  common::Endpoint address_;
  common::Answerer answerer_;
  std::unique_ptr<common::StreamServer> server_;
  std::optional<common::Error> trouble_;
  common::Timer timer_;  // while the address is not ours
};

}  // namespace krait::agent
