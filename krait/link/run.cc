#include "krait/link/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <memory>
#include <random>
#include <utility>

#include "common/event/loop.h"
#include "common/event/notify.h"
#include "common/event/timer.h"
#include "common/file.h"
#include "common/memory.h"
#include "krait/control/client.h"
#include "krait/link/core.h"
#include "krait/wire/connection.h"
#include "krait/wire/dial.h"

namespace krait::link {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// States come in chunks; what this side says is short.
constexpr wire::FrameLimits kFrames{.incoming_bytes = wire::kMaxStateFrameBytes, .queued_bytes = std::size_t{1} << 20U};

// A coordinator that comes back meets its hosts spread over the first two, then over ever longer whiles.
constexpr std::chrono::milliseconds kFirstRetry{500};
constexpr std::chrono::milliseconds kLastRetry{30'000};
// A host that was removed may be let in again some day; and its agent may be there soon.
constexpr std::chrono::minutes kForGood{10};
constexpr std::chrono::milliseconds kAgentRetry{1'000};
constexpr std::chrono::seconds kDialPatience{15};

class Runner final : public wire::ConnectionUser, public Surroundings {
 public:
  Runner(common::Loop& loop, const Options& options, Membership membership, common::Log& log)
      : loop_(loop), options_(options), membership_(std::move(membership)), log_(log), core_(*this) {
    core_.set_where({membership_.endpoints, membership_.listen_port});
  }

  Result<void> start() {
    constexpr std::size_t kMaxKeyBytes = 16384;
    KRAIT_TRY(const auto pem, common::read_file(options_.files.key(), kMaxKeyBytes), "read the link's key");
    KRAIT_TRY(const auto key, wire::parse_key_pair(pem), options_.files.key());
    KRAIT_TRY(tls_, wire::Tls::create(wire::Side::client, key));
    KRAIT_TRY(redial_, common::Timer::create(loop_, [this] { dial(); }));
    KRAIT_TRY(patience_, common::Timer::create(loop_, [this] { give_up("it does not answer", false); }));
    KRAIT_TRY(agent_retry_, common::Timer::create(loop_, [this] { ask_agent_again(); }));
    if (const auto kept = common::read_file(options_.files.offered(), trust::kMaxStateBytes)) {
      core_.remember(*kept);
    }
    redial_.after(std::chrono::nanoseconds(0));
    return {};
  }

  // --- The connection
  // ----------------------------------------------------------------------------------------------------

  void on_open() override {
    patience_.stop();
    if (connection_->peer() != membership_.server_key) {
      give_up("whoever answers there is not the coordinator that the token named", false);
      return;
    }
    core_.on_open();
  }
  void on_frame(std::string_view bytes) override {
    auto message = wire::decode(bytes);
    if (!message) {
      give_up(message.error().text(), false);
      return;
    }
    if (std::holds_alternative<wire::Welcome>(*message)) {
      log_.info(fmt::format("connected with the coordinator at {}", address_));
      retry_ = kFirstRetry;
    }
    core_.on_message(*message);
    common::release_free_memory();
    look_at_agent();
  }
  void on_closed(const std::string& why) override { give_up(why, false); }

  // --- What the core asks for
  // --------------------------------------------------------------------------------------------

  void send(const wire::Message& message) override {
    if (connection_) {
      connection_->send(wire::encode(message));
    }
  }
  Result<void> keep(const trust::State& state) override {
    const trust::Bytes whole = trust::encode_state(state);
    return common::write_file(options_.files.offered(), {reinterpret_cast<const char*>(whole.data()), whole.size()},
                              0644);
  }
  Result<void> hand_over() override {
    const auto answer = control::ask(options_.agent_socket, control::Request::take_state);
    return answer ? Result<void>() : answer.error();
  }
  Result<void> confirm() override {
    const auto answer = control::ask(options_.agent_socket, control::Request::confirm_state);
    return answer ? Result<void>() : answer.error();
  }

  // The connection may be the caller: it ends when the loop goes on.
  void give_up(const std::string& why, bool for_good) override {
    patience_.stop();
    if (!why.empty() && why != last_failure_) {
      log_.warning(fmt::format("{}: {}", address_.empty() ? "the coordinator" : address_, why));
      last_failure_ = why;
    }
    for_good_ = for_good_ || for_good;
    if (!ending_) {
      ending_ = true;
      redial_.after(std::chrono::nanoseconds(0));
    }
  }

 private:
  void dial() {
    if (std::exchange(ending_, false)) {
      connection_.reset();
      redial_.after(std::exchange(for_good_, false) ? std::chrono::duration_cast<std::chrono::nanoseconds>(kForGood)
                                                    : next_retry());
      return;
    }
    address_ = membership_.addresses[next_address_++ % membership_.addresses.size()];
    auto fd = wire::dial(*common::Endpoint::parse(address_));
    auto connection = fd ? wire::Connection::start(loop_, std::move(*fd), tls_.get(), kFrames)
                         : Result<std::unique_ptr<wire::Connection>>(fd.error());
    if (!connection) {
      give_up(connection.error().text(), false);
      return;
    }
    connection_ = *std::move(connection);
    connection_->set_user(*this);
    patience_.after(kDialPatience);
  }

  // Half of it to all of it, so that hosts that were cut off together do not come back together.
  std::chrono::nanoseconds next_retry() {
    const std::chrono::milliseconds now = retry_;
    retry_ = std::min(retry_ * 2, kLastRetry);
    return std::chrono::milliseconds(now.count() / 2 + std::uniform_int_distribution<long>(0, now.count())(random_));
  }

  void look_at_agent() {
    if (core_.is_settled()) {
      agent_wait_ = kAgentRetry;
      agent_retry_.stop();
    } else {
      if (core_.failure() != last_agent_failure_) {
        log_.warning("the agent: " + core_.failure());
      }
      agent_retry_.after(agent_wait_);
    }
    last_agent_failure_ = core_.failure();
  }

  void ask_agent_again() {
    agent_wait_ = std::min(agent_wait_ * 2, kLastRetry);
    core_.try_again();
    look_at_agent();
  }

  common::Loop& loop_;
  const Options& options_;
  Membership membership_;
  common::Log& log_;
  Core core_;
  std::unique_ptr<wire::Tls> tls_;
  std::unique_ptr<wire::Connection> connection_;
  common::Timer redial_;
  common::Timer patience_;
  common::Timer agent_retry_;
  std::string address_;
  std::string last_failure_;
  std::string last_agent_failure_;
  std::size_t next_address_ = 0;
  std::chrono::milliseconds retry_ = kFirstRetry;
  std::chrono::milliseconds agent_wait_ = kAgentRetry;
  std::minstd_rand random_{std::random_device{}()};
  bool ending_ = false;
  bool for_good_ = false;
};

}  // namespace

Result<void> run(const Options& options, common::Log& log) {
  KRAIT_TRY(auto membership, load_membership(options.files));
  KRAIT_TRY(const auto loop, common::Loop::create());
  log.info(fmt::format("the link of {} begins", membership.name));
  Runner runner(*loop, options, std::move(membership), log);
  KRAIT_CHECK(runner.start());
  KRAIT_TRY(const auto signals, common::Signals::receive(*loop, {SIGTERM, SIGINT}, [&](int) { loop->stop(); }));
  common::notify_ready("the link works");
  return loop->run();
}

}  // namespace krait::link
