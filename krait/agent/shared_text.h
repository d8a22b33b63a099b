// What is dear to read and anybody may ask for: read once, and shared by all who ask within a while.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/fd.h"
#include "common/result.h"
#include "krait/agent/loop.h"

namespace krait::agent {

// A text is shared for this long, and for kMostShare times as long as it took to read: reading for whoever asks takes a
// tenth of the agent's time at most.
inline constexpr std::chrono::milliseconds kLeastShared{1000};
inline constexpr int kMostShare = 9;

// Single-threaded, inside a Loop. Holds no memory and wakes nobody up while nobody asks.
class SharedText {
 public:
  using Reader = std::function<common::Result<std::string>()>;

  // The loop must outlive it.
  static common::Result<std::unique_ptr<SharedText>> create(Loop& loop, Reader read);
  SharedText(const SharedText&) = delete;
  SharedText& operator=(const SharedText&) = delete;
  ~SharedText() { loop_.remove(token_); }

  // What the last reading gave, failures too, or a new one. Valid until the loop goes on.
  const common::Result<std::string>& get();
  // The next to ask gets a new one: what was read is no longer so.
  void forget();

 private:
  SharedText(Loop& loop, Reader read, common::Fd timer)
      : loop_(loop), read_(std::move(read)), timer_(std::move(timer)) {}
  void set_timer(std::chrono::nanoseconds after);  // 0: off

  Loop& loop_;
  Reader read_;
  common::Fd timer_;
  Loop::Token token_ = 0;
  std::optional<common::Result<std::string>> text_;
};

}  // namespace krait::agent
