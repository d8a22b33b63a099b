// What a zone says by its channel.
#include <fmt/format.h>

#include <utility>
#include <variant>

#include "common/clock.h"
#include "krata/daemon/zone.h"

namespace krata::daemon {

using model::End;

namespace {

constexpr std::chrono::seconds kPowerOffPatience{15};

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

End end_of(const channel::Exit& exit) {
  using Reason = channel::Exit::Reason;
  const bool is_exit = exit.reason == Reason::exited;
  return {.reason = is_exit                                ? End::Reason::exited
                    : exit.reason == Reason::out_of_memory ? End::Reason::out_of_memory
                                                           : End::Reason::signalled,
          .code = static_cast<std::int32_t>(exit.code() & 0xffU),
          .signal = is_exit ? 0 : static_cast<std::int32_t>(exit.number),
          .text = ""};
}

}  // namespace

void Zone::on_channel(const channel::Event& event) {
  std::visit(Overloaded{[this](const channel::Greeted& greeted) {
                          is_container_running_ = greeted.state == channel::State::running;
                          if (was_asked_) {
                            channel_->channel().stop();
                          }
                          if (is_container_running_) {
                            end_input_of_nobody();
                          }
                          if (greeted.state == channel::State::ended && record_.heard_end) {
                            channel_->channel().exit_taken();  // a former process may not have come to say so
                          }
                        },
                        [this](const channel::Started& started) {
                          if (started.session == channel::kContainer) {
                            is_container_running_ = true;
                            end_input_of_nobody();
                            if (was_asked_) {
                              channel_->channel().stop();  // when there was nobody to stop yet
                            }
                          }
                        },
                        [this](const channel::Output& output) {
                          if (output.session == channel::kContainer) {
                            log_output(output);
                          }
                        },
                        [this](const channel::Exited& exited) {
                          if (exited.session == channel::kContainer) {
                            on_end(end_of(exited.exit));
                          }
                        },
                        [this](const channel::Refused& refused) {
                          if (refused.session == channel::kContainer) {
                            on_end({.reason = End::Reason::not_started,
                                    .code = std::to_underlying(refused.code),
                                    .signal = 0,
                                    .text = refused.why});
                          }
                        },
                        [this](const channel::Fault& fault) {
                          host_.log.warning(
                              fmt::format("zone {} sends what it should not: {}", record_.spec.name, fault.what));
                        },
                        [](const auto&) {}},
             event);
  give_place_up();
  const auto listeners = listeners_;
  for (ZoneListener* listener : listeners) {
    if (listeners_.contains(listener)) {
      listener->heard(event);
    }
  }
  tell_change();
}

// Nobody is to attach: a container that reads its input would wait for ever.
void Zone::end_input_of_nobody() {
  if (!record_.spec.input && !record_.spec.tty) {
    channel_->channel().end_input(channel::kContainer);
  }
}

// Taken is what is in the log: should this process end now, the zone says the rest again.
void Zone::log_output(const channel::Output& output) {
  lines_->add(stream_of(output.stream), output.bytes, common::now().unix_ns / 1000, waiting_lines_);
  flush_log();
}

bool Zone::flush_log() {
  if (waiting_lines_.empty() || !log_) {
    return true;
  }
  if (auto written = log_->append(waiting_lines_); !written) {
    failure_ = written.error().text();
    host_.log.error(fmt::format("zone {} waits: {}", record_.spec.name, failure_));
    again_after(std::chrono::seconds(1));
    return false;
  }
  const std::uint64_t offset = waiting_lines_.back().offset;
  waiting_lines_.clear();
  if (channel_) {
    channel_->channel().output_taken(channel::kContainer, offset - logged_offset_);
  }
  logged_offset_ = offset;
  return true;
}

void Zone::on_end(End end) {
  if (record_.heard_end && !pending_end_) {
    return channel_->channel().exit_taken();
  }
  lines_->finish(common::now().unix_ns / 1000, waiting_lines_);
  pending_end_ = std::move(end);
  keep_end();
}

// The zone powers off only when this is sure.
void Zone::keep_end() {
  if (!pending_end_ || !flush_log()) {
    return;
  }
  model::ZoneRecord record = record_;
  record.heard_end = pending_end_;
  if (auto saved = save(record); !saved) {
    failure_ = saved.error().text();
    again_after(std::chrono::seconds(1));
    return;
  }
  pending_end_.reset();
  is_container_running_ = false;
  overdue_at_ = Clock::now() + kPowerOffPatience;
  if (channel_) {
    channel_->channel().exit_taken();
  }
  wake_();
}

}  // namespace krata::daemon
