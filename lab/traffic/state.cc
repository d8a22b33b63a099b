#include "lab/traffic/state.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <ctime>
#include <utility>

#include "common/fd.h"

namespace lab {
namespace {

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

std::uint64_t realtime_ns() { return clock_ns(CLOCK_REALTIME); }
std::uint64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }

common::Result<State> State::open(const std::string& path) {
  const common::Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!fd.valid() || ::ftruncate(fd.get(), sizeof(Counts)) != 0) {
    return common::Error::from_errno(errno, "open the state file " + path);
  }
  void* map = ::mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (map == MAP_FAILED) {
    return common::Error::from_errno(errno, "map the state file " + path);
  }
  return State(static_cast<Counts*>(map));
}

State::State(State&& other) noexcept : counts_(std::exchange(other.counts_, nullptr)) {}

State::~State() {
  if (counts_ != nullptr) {
    ::munmap(counts_, sizeof(Counts));
  }
}

void State::begin(Phase phase) const {
  clear();
  counts_->error = 0;
  counts_->connections = 0;
  counts_->pid = static_cast<std::uint32_t>(::getpid());
  change(phase);
}

void State::change(Phase phase) const {
  counts_->phase = phase;
  announce();
}

void State::clear() const {
  counts_->sent = 0;
  counts_->received = 0;
  counts_->highest = 0;
  counts_->misplaced = 0;
  counts_->first_ns = 0;
  counts_->last_ns = 0;
  counts_->largest_gap_ns = 0;
}

void State::connected() const {
  clear();
  ++counts_->connections;
  change(Phase::connected);
}

void State::count_sent() const { ++counts_->sent; }

void State::count_received(std::uint64_t sequence, std::uint64_t time_ns) const {
  const std::uint64_t last_ns = counts_->last_ns;
  if (last_ns == 0) {
    counts_->first_ns = time_ns;
  } else if (time_ns > last_ns && time_ns - last_ns > counts_->largest_gap_ns) {
    counts_->largest_gap_ns = time_ns - last_ns;
  }
  counts_->last_ns = time_ns;
  if (sequence != counts_->highest) {
    ++counts_->misplaced;
  }
  if (sequence >= counts_->highest) {
    counts_->highest = sequence + 1;
  }
  counts_->times_ns[counts_->received % kTimes] = time_ns;
  ++counts_->received;
}

std::uint64_t State::received_within(std::uint64_t after_ns, std::uint64_t until_ns) const {
  const auto kept = static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(counts_->received, kTimes));
  return static_cast<std::uint64_t>(
      std::count_if(counts_->times_ns.begin(), counts_->times_ns.begin() + kept,
                    [&](const auto& time) { return time > after_ns && time <= until_ns; }));
}

void State::announce() const {
  ++counts_->events;
  if (counts_->waiters != 0) {
    ::syscall(SYS_futex, &counts_->events, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }
}

bool State::wait(const std::function<bool(const Counts&)>& holds, std::uint64_t max_ms) const {
  const std::uint64_t end_ns = monotonic_ns() + max_ms * 1'000'000U;
  ++counts_->waiters;
  bool held = false;
  for (;;) {
    const std::uint32_t seen = counts_->events;
    held = holds(*counts_);
    const std::uint64_t now_ns = monotonic_ns();
    if (held || now_ns >= end_ns) {
      break;
    }
    const std::uint64_t left_ns = end_ns - now_ns;
    const timespec left{.tv_sec = static_cast<time_t>(left_ns / 1'000'000'000U),
                        .tv_nsec = static_cast<long>(left_ns % 1'000'000'000U)};
    ::syscall(SYS_futex, &counts_->events, FUTEX_WAIT, seen, &left, nullptr, 0);
  }
  --counts_->waiters;
  return held;
}

std::optional<std::uint64_t> State::field(std::string_view name) const {
  const Counts& c = *counts_;
  const std::array<std::pair<std::string_view, std::uint64_t>, 10> fields{{{"pid", c.pid},
                                                                           {"error", c.error},
                                                                           {"connections", c.connections},
                                                                           {"sent", c.sent},
                                                                           {"received", c.received},
                                                                           {"highest", c.highest},
                                                                           {"misplaced", c.misplaced},
                                                                           {"first_ns", c.first_ns},
                                                                           {"last_ns", c.last_ns},
                                                                           {"largest_gap_ns", c.largest_gap_ns}}};
  const auto* const field = std::ranges::find(fields, name, [](const auto& one) { return one.first; });
  return field == fields.end() ? std::nullopt : std::optional(field->second);
}

}  // namespace lab
