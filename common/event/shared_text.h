// What is dear to read and anybody may ask for: read once, and shared by all who ask within a while.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/event/loop.h"
#include "common/event/timer.h"
#include "common/result.h"

namespace common {

// A text is shared for this long, and for kMaxShare times as long as it took to read: reading for whoever asks takes a
// tenth of the agent's time at most.
inline constexpr std::chrono::milliseconds kMinShared{1000};
inline constexpr int kMaxShare = 9;

// Single-threaded, inside a Loop. Holds no memory and wakes nobody up while nobody asks.
class SharedText {
 public:
  using Reader = std::function<Result<std::string>()>;

  // The loop must outlive it.
  static Result<std::unique_ptr<SharedText>> create(Loop& loop, Reader read);
  SharedText(const SharedText&) = delete;
  SharedText& operator=(const SharedText&) = delete;

  // What the last reading gave, failures too, or a new one. Valid until the loop goes on.
  const Result<std::string>& get();
  // The next to ask gets a new one: what was read is no longer so.
  void forget();

 private:
  explicit SharedText(Reader read) : read_(std::move(read)) {}

  Reader read_;
  Timer timer_;
  std::optional<Result<std::string>> text_;
};

}  // namespace common
