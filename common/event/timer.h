// Timers and signals of a Loop.
#pragma once

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>

#include "common/event/loop.h"
#include "common/fd.h"
#include "common/result.h"

namespace common {

// Calls its handler from the loop, by CLOCK_MONOTONIC. Move-only; the destructor ends it. The loop outlives it. A
// handler may set or destroy it.
class Timer {
 public:
  using Handler = std::function<void()>;

  Timer() = default;                                         // none
  static Result<Timer> create(Loop& loop, Handler handler);  // that is not set
  Timer(Timer&& other) noexcept;
  Timer& operator=(Timer&& other) noexcept;
  ~Timer();

  // What was set before no longer holds, even where it has expired and the handler was not called yet.
  void after(std::chrono::nanoseconds delay);   // once; 0 is as soon as the loop goes on
  void every(std::chrono::nanoseconds period);  // above 0
  void stop();

 private:
  Timer(Loop& loop, Fd timer) : loop_(&loop), timer_(std::move(timer)) {}
  void set(std::chrono::nanoseconds first, std::chrono::nanoseconds period);

  Loop* loop_ = nullptr;
  Fd timer_;
  Loop::Token token_ = 0;
};

// Blocks these signals in the calling thread, and hands them to the loop instead. Move-only; the destructor ends that,
// and leaves them blocked. The loop outlives it.
class Signals {
 public:
  using Handler = std::function<void(int number)>;

  static Result<Signals> receive(Loop& loop, std::initializer_list<int> numbers, Handler handler);
  Signals(Signals&& other) noexcept;
  Signals& operator=(Signals&&) = delete;
  ~Signals();

 private:
  Signals(Loop& loop, Fd signals, Loop::Token token) : loop_(&loop), signals_(std::move(signals)), token_(token) {}

  Loop* loop_;
  Fd signals_;
  Loop::Token token_;
};

}  // namespace common
