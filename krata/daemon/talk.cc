#include "krata/daemon/talk.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "common/answer.h"
#include "krata/console/log_file.h"
#include "krata/daemon/speech.h"
#include "krata/model/zone_json.h"

namespace krata::daemon {

using common::Result;
using control::Ask;
using control::Json;

namespace {

constexpr std::chrono::milliseconds kFollowPeriod{200};
constexpr std::size_t kFirstLines = 16;                       // at a time: a line may have 16 KiB
constexpr std::size_t kMaxSending = std::size_t{256} << 10U;  // of a log that wait to be taken

// Each zone and its changes, in few words: a list of all fits into what may wait to be read.
class WatchTalk final : public Talk, public DaemonListener {
 public:
  WatchTalk(Daemon& daemon, control::Disclosure disclosure)
      : Talk(daemon, nullptr), disclosure_(std::max(disclosure, control::Disclosure::brief)) {}
  ~WatchTalk() override { daemon().remove(*this); }

  void zone_changed(const Zone& zone) override { say({{"zone", control::zone_json(zone.view(), disclosure_)}}); }
  void zone_gone(const Zone& zone) override {
    say({{"gone", zone.record().spec.name}, {"id", zone.record().id.text()}});
  }

 protected:
  void begin() override {
    for (const auto& [id, zone] : daemon().zones()) {
      zone_changed(*zone);
    }
    daemon().add(*this);
  }

 private:
  control::Disclosure disclosure_;
};

// Until the container has ended, and is not started anew.
class WaitTalk final : public Talk {
 public:
  using Talk::Talk;

  void changed() override {
    if (zone() != nullptr && zone()->state() == control::ZoneState::ended && !has_ended()) {
      end_with(zone()->record());
    }
  }

 protected:
  void begin() override { changed(); }
  void zone_is_gone() override { end({{"version", control::kProtocolVersion}, {"end", model::end_json(last_)}}); }

 private:
  void end_with(const model::ZoneRecord& record) {
    end({{"version", control::kProtocolVersion}, {"end", model::end_json(record.end.value_or(last_))}});
  }

  model::End last_{.reason = model::End::Reason::stopped, .code = 137, .signal = 9, .text = "destroyed"};
};

// Until nothing is left of the zone.
class DestroyTalk final : public Talk {
 public:
  DestroyTalk(Daemon& daemon, Zone* zone) : Talk(daemon, zone), name_(zone->record().spec.name) {}

 protected:
  void begin() override {
    if (auto done = zone()->forget(); !done) {
      end(common::error_json(done.error()));
    }
  }
  void zone_is_gone() override { end({{"version", control::kProtocolVersion}, {"gone", name_}}); }

 private:
  std::string name_;
};

class LogTalk final : public Talk {
 public:
  LogTalk(Daemon& daemon, Zone* zone, const control::Request& request)
      : Talk(daemon, zone),
        reader_(request.kernel ? zone->kernel_log_path() : zone->log_path()),
        follow_(request.follow),
        tail_(request.tail) {}

  void heard(const channel::Event& event) override {
    if (std::holds_alternative<channel::Output>(event)) {
      pump();
    }
  }
  void changed() override { pump(); }

 protected:
  void begin() override {
    if (follow_) {
      if (auto timer = common::Timer::create(daemon().host().loop, [this] { pump(); })) {
        timer_ = std::move(*timer);
        timer_.every(kFollowPeriod);  // for the kernel's, of which nobody tells
      }
    }
    if (tail_) {
      skip_to(*tail_);
    }
    pump();
  }
  void drained() override { pump(); }
  void zone_is_gone() override {
    pump();
    finish();
  }

 private:
  // Only the last lines are kept meanwhile.
  void skip_to(std::uint32_t tail) {
    for (auto lines = reader_.next(); lines && !lines->empty(); lines = reader_.next()) {
      first_.insert(first_.end(), std::make_move_iterator(lines->begin()), std::make_move_iterator(lines->end()));
      if (first_.size() > tail) {
        first_.erase(first_.begin(), first_.end() - tail);
      }
    }
  }
  std::vector<console::Line> take_first() {
    const auto end = first_.begin() + static_cast<std::ptrdiff_t>(std::min(first_.size(), kFirstLines));
    std::vector<console::Line> taken(std::make_move_iterator(first_.begin()), std::make_move_iterator(end));
    first_.erase(first_.begin(), end);
    return taken;
  }
  void pump() {
    while (!has_ended() && stream().waiting_bytes() < kMaxSending) {
      auto lines = first_.empty() ? reader_.next() : Result<std::vector<console::Line>>(take_first());
      if (!lines) {
        return end(common::error_json(lines.error()));
      }
      if (lines->empty()) {
        const bool is_over = zone() == nullptr || zone()->state() == control::ZoneState::ended;
        return follow_ && !is_over ? void() : finish();
      }
      for (const console::Line& line : *lines) {
        say(control::log_json(line));
      }
    }
  }
  void finish() {
    if (!has_ended()) {
      end({{"over", true}});
    }
  }

  console::LogReader reader_;
  bool follow_;
  std::optional<std::uint32_t> tail_;
  std::deque<console::Line> first_;  // the tail
  common::Timer timer_;
};

}  // namespace

Talk::Talk(Daemon& daemon, Zone* zone) : daemon_(daemon), zone_(zone) {
  if (zone_ != nullptr) {
    zone_->add(*this);
  }
}

Talk::~Talk() {
  if (zone_ != nullptr) {
    zone_->remove(*this);
  }
}

void Talk::gone() {
  zone_ = nullptr;
  if (!has_ended_) {
    zone_is_gone();
  }
}

Result<void> Talk::open(common::Fd connection, std::string input, std::function<void()> over) {
  KRAIT_TRY(stream_, common::LineStream::create(daemon_.host().loop, std::move(connection), std::move(input),
                                                {.line = [this](std::string_view line) { take(line); },
                                                 .drained = [this] { drained(); },
                                                 .closed = std::move(over)}));
  begin();
  return {};
}

void Talk::end(const Json& json) {
  has_ended_ = true;
  say(json);
  stream_->finish();
}

bool is_talk(Ask ask) {
  return ask == Ask::watch || ask == Ask::wait || ask == Ask::logs || ask == Ask::attach || ask == Ask::exec ||
         ask == Ask::destroy;
}

std::unique_ptr<Talk> make_talk(Daemon& daemon, Zone* zone, const control::Request& request,
                                control::Disclosure disclosure) {
  switch (request.ask) {
    case Ask::wait:
      return std::make_unique<WaitTalk>(daemon, zone);
    case Ask::destroy:
      return std::make_unique<DestroyTalk>(daemon, zone);
    case Ask::logs:
      return std::make_unique<LogTalk>(daemon, zone, request);
    case Ask::attach:
      return make_attach(daemon, zone);
    case Ask::exec:
      return make_exec(daemon, zone, *request.exec);
    default:
      return std::make_unique<WatchTalk>(daemon, disclosure);
  }
}

}  // namespace krata::daemon
