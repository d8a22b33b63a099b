// Serves the metrics page, as soon as its address is free: somebody else on this host may have taken the port first,
// and that must not keep the agent from its work.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "common/fd.h"
#include "common/ip.h"
#include "common/log.h"
#include "common/result.h"
#include "krait/agent/enforcer.h"
#include "krait/agent/loop.h"
#include "krait/agent/stream_server.h"

namespace krait::agent {

inline constexpr std::chrono::seconds kPortRetry{60};

class MetricsServer {
 public:
  // Fails with invalid_input for an address that is not a loopback one. One that is taken, or that nobody has, is tried
  // again every `retry`; what holds the port is a fault meanwhile. Loop and log must outlive it.
  static common::Result<std::unique_ptr<MetricsServer>> start(Loop& loop, common::Log& log,
                                                              const common::Endpoint& address, Answerer answerer,
                                                              std::chrono::milliseconds retry = kPortRetry);
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;
  ~MetricsServer();

  // Why nobody can read the page; none: it is served.
  [[nodiscard]] std::optional<Fault> fault() const;

 private:
  MetricsServer(Loop& loop, common::Log& log, const common::Endpoint& address, Answerer answerer)
      : loop_(loop), log_(log), address_(address), answerer_(std::move(answerer)) {}
  common::Result<void> try_to_serve();
  common::Result<void> try_again_every(std::chrono::milliseconds retry);
  void on_timer();
  void end_timer();

  Loop& loop_;
  common::Log& log_;
  common::Endpoint address_;
  Answerer answerer_;
  std::unique_ptr<StreamServer> server_;
  std::optional<common::Error> trouble_;
  common::Fd timer_;  // while the address is not ours
  std::optional<Loop::Token> token_;
};

}  // namespace krait::agent
