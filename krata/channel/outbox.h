// What one end of a channel has still to send.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace krata::channel {

class Outbox {
 public:
  // `max_bytes`: with as many waiting there is no room for more of what can wait. Nothing is refused.
  explicit Outbox(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // To be appended to.
  [[nodiscard]] std::string& end() { return bytes_; }
  [[nodiscard]] std::string_view waiting() const { return std::string_view(bytes_).substr(at_); }
  [[nodiscard]] std::size_t room() const { return max_bytes_ - std::min(max_bytes_, waiting().size()); }
  // The first `bytes` of what waits have left.
  void sent(std::size_t bytes) {
    at_ += std::min(bytes, waiting().size());
    if (at_ == bytes_.size() || at_ > max_bytes_) {
      bytes_.erase(0, at_);
      at_ = 0;
    }
  }
  void clear() {
    bytes_.clear();
    at_ = 0;
  }

 private:
  std::size_t max_bytes_;
  std::string bytes_;
  std::size_t at_ = 0;  // up to here it has left
};

}  // namespace krata::channel
