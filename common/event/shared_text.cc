#include "common/event/shared_text.h"

#include <algorithm>
#include <utility>

namespace common {

Result<std::unique_ptr<SharedText>> SharedText::create(Loop& loop, Reader read) {
  std::unique_ptr<SharedText> text(new SharedText(std::move(read)));
  KRAIT_TRY(auto timer, Timer::create(loop, [shared = text.get()] { shared->forget(); }));
  text->timer_ = std::move(timer);
  return text;
}

const Result<std::string>& SharedText::get() {
  if (!text_) {
    const auto begun = std::chrono::steady_clock::now();
    text_.emplace(read_());
    const auto took = std::chrono::steady_clock::now() - begun;
    timer_.after(std::max<std::chrono::nanoseconds>(kMinShared, took * kMaxShare));
  }
  return *text_;
}

void SharedText::forget() {
  text_.reset();
  timer_.stop();
}

}  // namespace common
