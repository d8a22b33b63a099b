#include "krait/keeper/upkeep.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "common/event/notify.h"
#include "common/memory.h"

namespace krait::keeper {

using common::Error;
using common::Result;

namespace {

constexpr std::chrono::minutes kMinute{1};
// Between two looks at the interface: a storm of notifications costs a few looks a second, not one each.
constexpr std::chrono::milliseconds kRest{200};
// For peers that have announced a new key: the kernel does not tell of handshakes.
constexpr std::chrono::milliseconds kGlance{250};
constexpr unsigned kGlances = 10 * 60 * 4;
// Of the latest time. A crash loses none within the same boot, a power cut that much.
constexpr unsigned kMinutesBetweenRecords = 60;

}  // namespace

Result<std::unique_ptr<Upkeep>> Upkeep::start(common::Loop& loop, enforce::Enforcer& enforcer,
                                              EndpointKeeper& endpoints, common::Log& log) {
  KRAIT_TRY(auto watch, netlink::Watch::open());
  std::unique_ptr<Upkeep> upkeep(new Upkeep(loop, enforcer, endpoints, log, std::move(watch)));
  KRAIT_CHECK(upkeep->watch_everything());
  return upkeep;
}

Upkeep::~Upkeep() {
  for (const common::Loop::Token token : tokens_) {
    loop_.remove(token);
  }
}

Result<void> Upkeep::watch_everything() {
  mounts_.reset(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!mounts_.valid()) {
    return Error::from_errno(errno, "watch the mounts");
  }
  struct Wanted {
    common::Timer& timer;
    void (Upkeep::*handler)();
  };
  for (const Wanted& wanted :
       {Wanted{minute_, &Upkeep::on_minute}, Wanted{rest_, &Upkeep::on_rested}, Wanted{glance_, &Upkeep::on_glance}}) {
    auto made = common::Timer::create(loop_, [this, handler = wanted.handler] { (this->*handler)(); });
    if (!made) {
      return std::move(made.error());
    }
    wanted.timer = std::move(*made);
  }
  minute_.every(kMinute);
  struct Source {
    int fd;
    std::uint32_t events;
    void (Upkeep::*handler)();
  };
  // The list of mounts is always readable; a change is an exceptional condition (proc_pid_mountinfo(5)).
  for (const Source& source :
       {Source{watch_.fd(), EPOLLIN, &Upkeep::on_change}, Source{mounts_.get(), EPOLLPRI, &Upkeep::on_mounts}}) {
    auto token =
        loop_.add(source.fd, source.events, [this, handler = source.handler](std::uint32_t) { (this->*handler)(); });
    if (!token) {
      return token.error();
    }
    tokens_.push_back(*token);
  }
  watch_token_ = tokens_.front();
  on_files();
  return {};
}

netlink::Noticed Upkeep::read_changes() {
  auto noticed = watch_.read(enforcer_.interface(), enforcer_.interface_index());
  if (!noticed) {
    log_.error(noticed.error().text());
    return {.lost = true};
  }
  moved_to_ = noticed->moved_to ? noticed->moved_to : moved_to_;
  return *noticed;
}

void Upkeep::on_change() {
  const netlink::Noticed noticed = read_changes();
  bool is_concerned = noticed.interface || noticed.lost;
  if (is_concerned || noticed.underlay) {
    fit_mtu();
    is_concerned = follow_network() || is_concerned;
  }
  if (is_concerned) {
    inspect();
  }
  if (auto resting = loop_.change(watch_token_, 0); !resting) {
    log_.error(resting.error().text());
    return;
  }
  rest_.after(kRest);
}

void Upkeep::on_rested() {
  if (auto watching = loop_.change(watch_token_, EPOLLIN); !watching) {
    log_.error(watching.error().text());
  }
}

void Upkeep::on_files() {
  await_peers_keys();
  if (enforcer_.options().guarded_interface) {
    inspect();
  } else {
    report(enforcer_.faults());
  }
}

void Upkeep::await_peers_keys() {
  glances_left_ = enforcer_.awaits_peers_keys() ? kGlances : 0;
  if (glances_left_ != 0) {
    glance_.every(kGlance);
  } else {
    glance_.stop();
  }
}

void Upkeep::on_glance() {
  auto followed = enforcer_.follow_peers_keys();
  if (!followed) {
    log_.error(followed.error().text());
  } else if (*followed) {
    log_.info("a peer has gone over to the key that it had announced");
  }
  glances_left_ -= std::min(glances_left_, 1U);
  if (glances_left_ == 0) {
    glance_.stop();
  }
}

void Upkeep::on_mounts() { inspect(); }

void Upkeep::on_minute() {
  common::notify_alive();
  fit_mtu();  // nobody tells of a peer that roams
  inspect();
  follow_clock();
  if (++minutes_ == kMinutesBetweenRecords) {
    minutes_ = 0;
    enforcer_.remember_time();
  }
  if (enforcer_.interface_index() != 0) {
    endpoints_.on_minute();
  }
}

void Upkeep::follow_clock() {
  const auto followed = enforcer_.follow_clock();
  if (!followed) {
    log_.error("expiries still stand on the former time: " + followed.error().text());
  } else if (*followed) {
    common::release_free_memory();
    log_.info(
        fmt::format("rules that end at a calendar time follow the clock: revision {}", enforcer_.last().revision));
  }
  const std::vector<control::Fault> faults = enforcer_.time_faults();
  for (const control::Fault& fault : faults) {
    if (std::ranges::find(reported_time_, fault) == reported_time_.end()) {
      log_.warning(fault.text());
    }
  }
  if (faults.empty() && !reported_time_.empty()) {
    log_.info("the clock is as it should be again");
  }
  reported_time_ = faults;
}

// Before inspect(), which would take another MTU for somebody else's doing. A failure is inspect()'s to report: it fits
// the MTU as well.
void Upkeep::fit_mtu() {
  const auto changed = enforcer_.fit_mtu();
  if (changed && *changed) {
    log_.info(fmt::format("the MTU of {} is now {}, which fits the way to every peer", enforcer_.interface(),
                          enforcer_.last().changes.mtu_bytes));
  }
}

bool Upkeep::follow_network() {
  const auto changed = enforcer_.follow_network();
  if (!changed) {
    log_.error(changed.error().text());
  }
  return changed && *changed;
}

void Upkeep::inspect() {
  // The kernel tells that a link moves away after it has told that its addresses go; once the link cannot be found, all
  // of that has been told.
  const enforce::Inspection seen = enforcer_.inspect([this] {
    read_changes();
    return moved_to_;
  });
  if (enforcer_.interface_index() != 0) {
    moved_to_.reset();
  }
  for (const std::string& mended : seen.mended) {
    log_.warning(mended);
  }
  if (!seen.mended.empty()) {
    endpoints_.on_minute();  // a peer that was put back has no endpoint yet when its file has a name
  }
  report(seen.faults);
}

void Upkeep::report(const std::vector<control::Fault>& faults) {
  for (const control::Fault& fault : faults) {
    if (std::ranges::find(reported_, fault) == reported_.end()) {
      log_.error(fault.text());
    }
  }
  if (faults.empty() && !reported_.empty()) {
    log_.info(enforcer_.interface() + " is as it should be again");
  }
  reported_ = faults;
}

}  // namespace krait::keeper
