#include "krata/daemon/zone.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <tuple>
#include <utility>

#include "krata/daemon/files.h"
#include "krata/reconcile/restart.h"

namespace krata::daemon {

using common::Error;
using common::ErrorCode;
using common::Result;
using model::Goal;
using reconcile::Domain;
using reconcile::Observed;

namespace {

constexpr int kMaxTurns = 8;     // of one look
constexpr int kMaxFailures = 5;  // in a row: then a zone that has ended ends without its last words
constexpr std::chrono::milliseconds kFirstRetry{250};
constexpr std::chrono::milliseconds kMaxRetry{30'000};
constexpr std::chrono::milliseconds kDyingRetry{20};
constexpr std::chrono::milliseconds kPendingRetry{1000};  // what is waited for wakes by itself

bool is_same(const control::ZoneView& a, const control::ZoneView& b) {
  return a.record == b.record && a.state == b.state && a.note == b.note;
}

}  // namespace

Zone::Zone(Host& host, model::ZoneRecord record, std::function<void()> wake)
    : host_(host), record_(std::move(record)), wake_(std::move(wake)) {
  if (auto timer = common::Timer::create(host_.loop, [this] { wake_(); })) {
    timer_ = std::move(*timer);
  }
  disk_server_ = std::make_unique<DiskServer>(host_.loop, folder(), [this] { wake_(); });
}

Zone::~Zone() {
  if (host_.starts.leave(record_.id)) {
    wake_();
  }
}

void Zone::again_after(std::chrono::milliseconds delay) {
  is_waiting_ = true;
  timer_.after(delay);
}

Result<void> Zone::save(const model::ZoneRecord& record) {
  KRAIT_CHECK(host_.state.save(record));
  record_ = record;
  return {};
}

void Zone::find_domain(std::span<const xen::DomainInfo> domains, Observed& observed) {
  domain_.reset();
  for (const xen::DomainInfo& info : domains) {
    if (info.handle != record_.id.bytes) {
      continue;
    }
    const bool is_recorded = record_.domain == info.id;
    // What is dying counts only where nothing else of the zone is there.
    if (domain_ && !domain_->is_dying && (info.is_dying || !is_recorded)) {
      continue;
    }
    domain_ = info;
    observed.domain = info.is_dying    ? Domain::dying
                      : !is_recorded   ? Domain::half
                      : info.shutdown  ? Domain::over
                      : info.is_paused ? Domain::ready
                                       : Domain::running;
  }
}

Observed Zone::observe(std::span<const xen::DomainInfo> domains) {
  Observed observed{.was_built = record_.domain.has_value(),
                    .has_end = record_.end.has_value(),
                    .has_folder = exists(folder()),
                    .has_root = !record_.root.empty() && exists(host_.paths.root(record_.root)) &&
                                exists(host_.paths.config(record_.root)),
                    .has_bundle = exists(bundle_path()),
                    .has_devices = has_devices(),
                    .has_disks = disk_server_->is_running(),
                    .is_heard = console_ != nullptr,
                    .was_asked = was_asked_,
                    .is_patience_over = record_.goal == Goal::forget || (was_asked_ && Clock::now() >= patience_end_),
                    .is_overdue = overdue_at_ && Clock::now() >= *overdue_at_,
                    .has_given_up = has_given_up_,
                    .is_restart_due = is_restart_due()};
  find_domain(domains, observed);
  observed.may_start = may_start(observed);
  if (observed.domain == Domain::running && record_.heard_end && !overdue_at_) {
    overdue_at_ = Clock::now() + patience_;  // this process has begun after it ended
  }
  return observed;
}

Goal Zone::goal() const { return reconcile::goal_now(record_.goal, is_held_); }

bool Zone::wants_to_run() const { return goal() == Goal::run && !record_.end && !has_given_up_; }

// Who still waits for its image keeps nobody waiting.
bool Zone::may_start(const Observed& observed) {
  if (!wants_to_run() || observed.domain != Domain::none || observed.was_built || !observed.has_root) {
    return false;
  }
  const bool is_new = !host_.starts.is_waiting(record_.id);
  const bool may = host_.starts.ask(record_.id);
  if (!may && is_new) {
    wake_();  // those that have a place look at the time from now on
  }
  return may;
}

// Until its container runs, and as long as its kernel works at that.
bool Zone::is_on_its_way() {
  if (!domain_ || domain_->is_paused) {
    return true;
  }
  if (is_container_running_ || record_.heard_end || domain_->shutdown || domain_->is_dying) {
    return false;
  }
  const auto now = Clock::now();
  if (!start_) {
    start_.emplace(now, domain_->cpu_time_ns);
  }
  return start_->goes_on(now, domain_->cpu_time_ns);
}

void Zone::give_place_up() {
  const bool has_place = host_.starts.has_place(record_.id);
  if (wants_to_run() && (!has_place || is_on_its_way())) {
    return;
  }
  start_.reset();
  if (host_.starts.leave(record_.id)) {
    wake_();
  }
}

std::optional<std::int64_t> Zone::restart_at_s() const {
  return is_held_ ? std::nullopt : reconcile::restart_at_s(record_, record_.failures);
}

bool Zone::has_disks() const {
  return state() != control::ZoneState::ended || reconcile::restart_at_s(record_, record_.failures).has_value();
}

bool Zone::is_restart_due() const {
  const auto at_s = restart_at_s();
  return at_s && std::time(nullptr) >= *at_s;
}

bool Zone::look(std::span<const xen::DomainInfo> domains) {
  std::vector<xen::DomainInfo> now(domains.begin(), domains.end());
  is_waiting_ = false;
  flush_log();
  keep_end();
  if (channel_) {
    channel_->send();
  }
  for (int turn = 0; turn < kMaxTurns; ++turn) {
    const Observed observed = observe(now);
    const auto planned = reconcile::steps(goal(), observed);
    if (planned.empty()) {
      failures_ = 0;
      failure_ = has_given_up_ ? failure_ : "";
      break;
    }
    const reconcile::Outcome outcome = reconcile::run(planned, *this);
    if (std::ranges::find(outcome.done, reconcile::Step::forget) != outcome.done.end()) {
      return false;
    }
    if (!take(observed, outcome)) {
      break;
    }
    auto fresh = host_.hypervisor.domains();
    if (!fresh) {
      break;
    }
    now = std::move(*fresh);
  }
  give_place_up();
  if (!is_waiting_) {
    wait_for_next();
  }
  tell_change();
  return true;
}

// By the clock; all else wakes by itself.
void Zone::wait_for_next() {
  if (host_.starts.has_place(record_.id) && host_.starts.waiting() > 0) {
    return again_after(reconcile::Start::kLook);
  }
  const auto until = [](Clock::time_point at) {
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(at - Clock::now()), kDyingRetry);
  };
  if (domain_ && domain_->is_dying) {
    again_after(kDyingRetry);
  } else if (was_asked_ && !record_.end) {
    again_after(until(patience_end_));
  } else if (overdue_at_ && !record_.end) {
    again_after(until(*overdue_at_));
  } else if (const auto at_s = restart_at_s()) {
    again_after(std::max(std::chrono::milliseconds((*at_s - std::time(nullptr)) * 1000), kDyingRetry));
  }
}

// True: it is to be looked at again at once.
bool Zone::take(const Observed& observed, const reconcile::Outcome& outcome) {
  std::string noted;
  for (const reconcile::FailedStep& step : outcome.noted) {
    noted += fmt::format("{}{}", noted.empty() ? "" : "; ", step.error.text());
  }
  if (!noted.empty() && noted != noted_) {  // said once: it is tried again and again
    host_.log.warning(fmt::format("zone {}: {}", record_.spec.name, noted));
  }
  noted_ = std::move(noted);
  if (outcome.failed) {
    fail(observed, *outcome.failed);
    return has_given_up_ && failures_ == 0;
  }
  if (outcome.pending || !outcome.noted.empty()) {
    again_after(outcome.noted.empty() ? kPendingRetry : kFirstRetry);
    return false;
  }
  return !outcome.done.empty();
}

void Zone::fail(const Observed& observed, const reconcile::FailedStep& failed) {
  failure_ = failed.error.text();
  host_.log.error(fmt::format("zone {}: {}", record_.spec.name, failure_));
  if (reconcile::is_launch(goal(), observed)) {
    has_given_up_ = true;
    failures_ = 0;
    return;
  }
  ++failures_;
  // Who was told to end it is not to wait for words that cannot be had.
  has_given_up_ =
      has_given_up_ || (failures_ >= kMaxFailures && (observed.domain == Domain::over || goal() != Goal::run));
  again_after(std::min(kFirstRetry * (1 << std::min(failures_, 10)), kMaxRetry));
}

control::ZoneState Zone::state() const {
  return control::state_of(
      record_, {.has_domain = domain_.has_value(), .is_container_running = is_container_running_, .is_held = is_held_},
      restart_at_s().has_value());
}

control::ZoneView Zone::view() const {
  control::ZoneView view{.record = record_,
                         .state = state(),
                         .note = root_maker_                           ? root_maker_->doing()
                                 : record_.end                         ? ""
                                 : host_.starts.is_waiting(record_.id) ? "waits until others have started"
                                                                       : failure_};
  if (domain_ && !domain_->is_dying) {
    view.use = control::ZoneUse{.cpu_ns = domain_->cpu_time_ns,
                                .memory_kib = domain_->memory_kib,
                                .max_memory_kib = domain_->max_memory_kib,
                                .cpus = domain_->online_vcpus};
  }
  return view;
}

control::ZoneView Zone::view_with_disks() const {
  control::ZoneView all = view();
  all.disks = disk_uses(folder(), disks());
  return all;
}

void Zone::tell_change() {
  control::ZoneView now = view();
  if (told_ && is_same(*told_, now)) {
    return;
  }
  told_ = std::move(now);
  const auto listeners = listeners_;
  for (ZoneListener* listener : listeners) {
    if (listeners_.contains(listener)) {
      listener->changed();
    }
  }
}

void Zone::tell_gone() {
  const auto listeners = std::exchange(listeners_, {});
  for (ZoneListener* listener : listeners) {
    listener->gone();
  }
}

void Zone::be_patient(std::chrono::seconds patience) {
  patience_ = patience;
  if (was_asked_) {
    patience_end_ = Clock::now() + patience_;
  }
  wake_();
}

Result<void> Zone::start() {
  const std::string& name = record_.spec.name;
  if (record_.goal == Goal::forget) {
    return Error(ErrorCode::invalid_input, fmt::format("zone {} is being destroyed; launch another one", name));
  }
  // Whoever waits for its end is told of that first: it would not be seen to have ended.
  if (!record_.end || domain_) {
    if (goal() != Goal::run || record_.heard_end || record_.end) {
      return Error(ErrorCode::unavailable,
                   fmt::format("zone {} has yet to end; krata zone show {} says when it has", name, name));
    }
    const bool is_running = state() == control::ZoneState::running;
    return Error(ErrorCode::invalid_input,
                 fmt::format("zone {} {} already", name, is_running ? "runs" : "is being started"));
  }
  model::ZoneRecord record = record_;
  record.goal = Goal::run;
  record.is_to_start = true;
  record.failures = 0;
  if (record != record_) {
    KRAIT_CHECK(save(record));
    host_.log.info(fmt::format("zone {} is to run once more", name));
  }
  is_held_ = false;
  wake_();
  return {};
}

Result<void> Zone::stop(std::chrono::seconds patience) {
  if (record_.goal == Goal::run) {
    model::ZoneRecord record = record_;
    record.goal = Goal::stop;
    record.is_to_start = false;
    KRAIT_CHECK(save(record));
  }
  be_patient(patience);
  return {};
}

void Zone::hold(std::chrono::seconds patience) {
  is_held_ = true;
  be_patient(patience);
}

Result<void> Zone::forget() {
  if (record_.goal != Goal::forget) {
    model::ZoneRecord record = record_;
    record.goal = Goal::forget;
    KRAIT_CHECK(save(record));
  }
  root_maker_.reset();
  wake_();
  return {};
}

}  // namespace krata::daemon
