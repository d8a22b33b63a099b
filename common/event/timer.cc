#include "common/event/timer.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <utility>

namespace common {

namespace {

timespec timespec_of(std::chrono::nanoseconds time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {.tv_sec = seconds.count(), .tv_nsec = (time - seconds).count()};
}

}  // namespace

Result<Timer> Timer::create(Loop& loop, Handler handler) {
  Timer timer(loop, Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)));
  if (!timer.timer_.valid()) {
    return Error::from_errno(errno, "make a timer");
  }
  KRAIT_TRY(
      auto token,
      loop.add(timer.timer_.get(), EPOLLIN, [fd = timer.timer_.get(), handler = std::move(handler)](std::uint32_t) {
        std::uint64_t expirations = 0;
        if (::read(fd, &expirations, sizeof(expirations)) == sizeof(expirations)) {  // else it was set anew meanwhile
          handler();
        }
      }));
  timer.token_ = token;
  return timer;
}

Timer::Timer(Timer&& other) noexcept
    : loop_(std::exchange(other.loop_, nullptr)),
      timer_(std::move(other.timer_)),
      token_(std::exchange(other.token_, 0)) {}

Timer& Timer::operator=(Timer&& other) noexcept {
  std::swap(loop_, other.loop_);
  std::swap(timer_, other.timer_);
  std::swap(token_, other.token_);
  return *this;
}

Timer::~Timer() {
  if (loop_ != nullptr && token_ != 0) {
    loop_->remove(token_);
  }
}

void Timer::after(std::chrono::nanoseconds delay) {
  set(std::max(delay, std::chrono::nanoseconds(1)), std::chrono::nanoseconds(0));  // 0 would stop it
}

void Timer::every(std::chrono::nanoseconds period) { set(period, period); }

void Timer::stop() { set(std::chrono::nanoseconds(0), std::chrono::nanoseconds(0)); }

// Takes back an expiration that nobody has read (timerfd_settime(2)). Fails for wrong arguments only.
void Timer::set(std::chrono::nanoseconds first, std::chrono::nanoseconds period) {
  const itimerspec times{.it_interval = timespec_of(period), .it_value = timespec_of(first)};
  ::timerfd_settime(timer_.get(), 0, &times, nullptr);
}

Result<Signals> Signals::receive(Loop& loop, std::initializer_list<int> numbers, Handler handler) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) {
    sigaddset(&set, number);
  }
  Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.valid() || ::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) {
    return Error::from_errno(errno, "receive signals");
  }
  KRAIT_TRY(auto token,
            loop.add(signals.get(), EPOLLIN, [fd = signals.get(), handler = std::move(handler)](std::uint32_t) {
              signalfd_siginfo info{};
              while (::read(fd, &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
                handler(static_cast<int>(info.ssi_signo));
              }
            }));
  return Signals(loop, std::move(signals), token);
}

Signals::Signals(Signals&& other) noexcept
    : loop_(std::exchange(other.loop_, nullptr)), signals_(std::move(other.signals_)), token_(other.token_) {}

Signals::~Signals() {
  if (loop_ != nullptr) {
    loop_->remove(token_);
  }
}

}  // namespace common
