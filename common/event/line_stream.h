// A connection that lasts: lines both ways, whenever either end has one. Bounded in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/event/loop.h"
#include "common/fd.h"
#include "common/result.h"

namespace common {

// What the owner is told, by the loop. Any of them may destroy the stream.
struct LineHandlers {
  std::function<void(std::string_view line)> line;  // without its newline
  std::function<void()> drained;                    // nothing waits to be sent any more
  std::function<void()> closed;                     // the last one: the other end is gone, or was cut off
};

// One thread, inside a Loop that outlives it.
class LineStream {
 public:
  // `input`: what has come already. Nothing is told before the loop goes on.
  static Result<std::unique_ptr<LineStream>> create(Loop& loop, Fd connection, std::string input,
                                                    LineHandlers handlers);
  LineStream(const LineStream&) = delete;
  LineStream& operator=(const LineStream&) = delete;
  ~LineStream();

  // Newline included. Whoever lets more than kMaxWaitingBytes wait is cut off: look at waiting_bytes() first.
  void send(std::string_view line);
  [[nodiscard]] std::size_t waiting_bytes() const { return output_.size() - written_; }
  // No line is told until it is called with true again, and little is read.
  void take_input(bool is_wanted);
  // Closes when all has left; nothing is told any more but closed().
  void finish();

 private:
  LineStream(Loop& loop, Fd connection, std::string input, LineHandlers handlers)
      : loop_(loop), connection_(std::move(connection)), handlers_(std::move(handlers)), input_(std::move(input)) {}
  void handle(std::uint32_t events);
  bool read_some();
  bool write_some();
  bool tell_lines();
  void settle();

  Loop& loop_;
  Fd connection_;
  LineHandlers handlers_;
  Loop::Token token_ = 0;
  std::string input_;
  std::string output_;
  std::size_t written_ = 0;
  bool is_input_wanted_ = true;
  bool is_input_over_ = false;
  bool is_finishing_ = false;
  bool is_broken_ = false;
  // Whether this still exists, for a handler's caller.
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

inline constexpr std::size_t kMaxLineBytes = std::size_t{64} << 10U;    // of a line that comes
inline constexpr std::size_t kMaxWaitingBytes = std::size_t{1} << 20U;  // that nobody takes

}  // namespace common
