#include "krait/agent/shared_text.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace krait::agent {

using common::Error;
using common::Fd;
using common::Result;

Result<std::unique_ptr<SharedText>> SharedText::create(Loop& loop, Reader read) {
  Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer.valid()) {
    return Error::from_errno(errno, "make a timer");
  }
  std::unique_ptr<SharedText> text(new SharedText(loop, std::move(read), std::move(timer)));
  auto token = loop.add(text->timer_.get(), EPOLLIN, [shared = text.get()](std::uint32_t) { shared->forget(); });
  if (!token) {
    return token.error();
  }
  text->token_ = *token;
  return text;
}

const Result<std::string>& SharedText::get() {
  if (!text_) {
    const auto begun = std::chrono::steady_clock::now();
    text_.emplace(read_());
    const auto took = std::chrono::steady_clock::now() - begun;
    set_timer(std::max<std::chrono::nanoseconds>(kLeastShared, took * kMostShare));
  }
  return *text_;
}

void SharedText::forget() {
  text_.reset();
  set_timer(std::chrono::nanoseconds(0));
}

// Setting it anew also takes back an expiration that nobody has read (timerfd_settime(2)).
void SharedText::set_timer(std::chrono::nanoseconds after) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(after);
  const itimerspec timer{.it_interval = {},
                         .it_value = {.tv_sec = seconds.count(), .tv_nsec = (after - seconds).count()}};
  ::timerfd_settime(timer_.get(), 0, &timer, nullptr);
}

}  // namespace krait::agent
