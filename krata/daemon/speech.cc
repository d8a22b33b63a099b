#include "krata/daemon/speech.h"

#include <csignal>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "common/answer.h"
#include "common/file.h"
#include "krata/daemon/bundle_file.h"

namespace krata::daemon {

using common::Error;
using common::ErrorCode;
using common::Result;
using model::End;

namespace {

class Speech : public Talk {
 public:
  using Talk::Talk;

  void heard(const channel::Event& event) override {
    if (const auto* output = std::get_if<channel::Output>(&event); output != nullptr && session_ == output->session) {
      pass_on(*output);
    }
    pump_input();
  }

 protected:
  void take(std::string_view line) override {
    auto input = control::parse_input(line);
    if (!input) {
      return end(common::error_json(input.error()));
    }
    if (input->bytes) {
      waiting_input_ += *input->bytes;
    }
    has_input_ended_ = has_input_ended_ || input->is_end;
    size_ = input->size ? input->size : size_;
    if (input->signal && *input->signal > 0 && link() != nullptr && session_) {
      link()->channel().signal(*session_, *input->signal);
    }
    pump_input();
  }
  void drained() override { taken(); }
  void zone_is_gone() override {
    end(control::ended_json({.reason = End::Reason::stopped, .code = 137, .signal = SIGKILL, .text = "destroyed"}));
  }

  virtual void passed(std::size_t /*bytes*/) {}
  virtual void taken() {}

  // Null while the zone cannot be spoken to.
  [[nodiscard]] ChannelLink* link() { return zone() == nullptr ? nullptr : zone()->channel(); }
  [[nodiscard]] std::optional<channel::SessionId>& session() { return session_; }

  // As much as there is room for; the client's next line is taken when all is. What comes before the container runs
  // waits here, as far as one line goes.
  void pump_input() {
    if (has_ended()) {
      return;
    }
    if (link() == nullptr || !session_ || zone()->state() != control::ZoneState::running) {
      stream().take_input(waiting_input_.size() < control::kMaxInputBytes);
      return;
    }
    channel::Channel& channel = link()->channel();
    if (!waiting_input_.empty()) {
      waiting_input_.erase(0, channel.input(*session_, waiting_input_));
    }
    if (waiting_input_.empty() && std::exchange(has_input_ended_, false)) {
      channel.end_input(*session_);
    }
    if (size_) {
      channel.resize(*session_, {.rows = size_->rows, .columns = size_->columns});
      size_.reset();
    }
    link()->send();
    stream().take_input(waiting_input_.empty());
  }

 private:
  void pass_on(const channel::Output& output) {
    if (!has_ended()) {
      say(control::output_json(stream_of(output.stream), output.bytes));
      passed(output.bytes.size());
    }
  }

  std::optional<channel::SessionId> session_;
  std::string waiting_input_;
  bool has_input_ended_ = false;
  std::optional<control::WindowSize> size_;
};

class Attach final : public Speech {
 public:
  using Speech::Speech;

  void heard(const channel::Event& event) override {
    Speech::heard(event);
    end_with_it();
  }
  void changed() override {
    end_with_it();
    pump_input();  // it may run now
  }

 protected:
  void begin() override {
    session() = channel::kContainer;
    former_run_ = zone()->record().end ? zone()->record().run : 0;
    changed();
  }

 private:
  void end_with_it() {
    if (zone() == nullptr || has_ended()) {
      return;
    }
    const model::ZoneRecord& record = zone()->record();
    if (record.run == former_run_ && zone()->state() == control::ZoneState::restarting) {
      return;  // it is the next run that is meant
    }
    if (record.heard_end || record.end) {
      end(control::ended_json(record.end ? *record.end : *record.heard_end));
    }
  }

  std::uint32_t former_run_ = 0;  // that had ended before somebody attached; 0: none
};

class Exec final : public Speech {
 public:
  Exec(Daemon& daemon, Zone* zone, control::ExecSpec spec) : Speech(daemon, zone), spec_(std::move(spec)) {}
  ~Exec() override {
    if (session() && !has_ended() && link() != nullptr) {
      taken();
      link()->channel().signal(*session(), SIGHUP);
      link()->channel().end_input(*session());
      link()->send();
    }
  }

  void heard(const channel::Event& event) override {
    Speech::heard(event);
    if (has_ended()) {
      return;
    }
    if (const auto* exited = std::get_if<channel::Exited>(&event); exited != nullptr && exited->session == session()) {
      const bool is_exit = exited->exit.reason == channel::Exit::Reason::exited;
      end(control::ended_json({.reason = is_exit ? End::Reason::exited : End::Reason::signalled,
                               .code = static_cast<std::int32_t>(exited->exit.code() & 0xffU),
                               .signal = is_exit ? 0 : static_cast<std::int32_t>(exited->exit.number),
                               .text = ""}));
    } else if (const auto* refused = std::get_if<channel::Refused>(&event);
               refused != nullptr && refused->session == session()) {
      end(control::ended_json({.reason = End::Reason::not_started,
                               .code = std::to_underlying(refused->code),
                               .signal = 0,
                               .text = refused->why}));
    }
  }
  void changed() override {
    if (!has_ended() && (zone() == nullptr || zone()->record().end)) {
      end(control::ended_json(
          {.reason = End::Reason::lost, .code = 137, .signal = SIGKILL, .text = "the zone has ended"}));
    }
  }

 protected:
  void begin() override {
    if (auto started = start(); !started) {
      end(common::error_json(started.error()));
    }
  }
  void passed(std::size_t bytes) override {
    untaken_bytes_ += bytes;
    if (stream().waiting_bytes() == 0) {
      taken();
    }
  }
  void taken() override {
    if (untaken_bytes_ > 0 && link() != nullptr && session()) {
      link()->channel().output_taken(*session(), std::exchange(untaken_bytes_, 0));
      link()->send();
    }
  }

 private:
  Result<void> start() {
    if (link() == nullptr || zone()->state() != control::ZoneState::running) {
      return Error(ErrorCode::unavailable, "the zone's container does not run; see krata zone list");
    }
    const model::ZoneRecord& record = zone()->record();
    KRAIT_TRY(const auto config, common::read_file(daemon().host().paths.config(record.root), kMaxConfigBytes));
    KRAIT_TRY(const auto process, exec_process(record, config, spec_));
    KRAIT_TRY(session(), link()->channel().start(process));
    link()->send();
    return {};
  }

  control::ExecSpec spec_;
  std::uint64_t untaken_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Talk> make_attach(Daemon& daemon, Zone* zone) { return std::make_unique<Attach>(daemon, zone); }

std::unique_ptr<Talk> make_exec(Daemon& daemon, Zone* zone, control::ExecSpec spec) {
  return std::make_unique<Exec>(daemon, zone, std::move(spec));
}

}  // namespace krata::daemon
