#include "common/event/line_stream.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <tuple>
#include <utility>

namespace common {

namespace {

constexpr int kMaxLinesOfTurn = 64;  // of one stream: others have their turn then

}  // namespace

Result<std::unique_ptr<LineStream>> LineStream::create(Loop& loop, Fd connection, std::string input,
                                                       LineHandlers handlers) {
  std::unique_ptr<LineStream> stream(
      new LineStream(loop, std::move(connection), std::move(input), std::move(handlers)));
  // Writable at once: what has come already is told then.
  KRAIT_TRY(stream->token_, loop.add(stream->connection_.get(), EPOLLIN | EPOLLOUT,
                                     [raw = stream.get()](std::uint32_t events) { raw->handle(events); }));
  return stream;
}

LineStream::~LineStream() {
  *is_alive_ = false;
  if (token_ != 0) {
    loop_.remove(token_);
  }
}

void LineStream::send(std::string_view line) {
  if (is_broken_ || is_finishing_) {
    return;
  }
  output_ += line;
  if (!write_some() || waiting_bytes() > kMaxWaitingBytes) {
    is_broken_ = true;
    ::shutdown(connection_.get(), SHUT_RDWR);  // the loop tells of it
  }
  settle();
}

void LineStream::take_input(bool is_wanted) {
  is_input_wanted_ = is_wanted;
  settle();
}

void LineStream::finish() {
  is_finishing_ = true;
  settle();
}

void LineStream::handle(std::uint32_t events) {
  const std::shared_ptr<bool> is_alive = is_alive_;
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !read_some()) {
    is_broken_ = true;
  }
  if (!tell_lines()) {
    return;
  }
  const bool had_output = waiting_bytes() > 0;
  if (!write_some()) {
    is_broken_ = true;
  }
  const bool is_over = is_broken_ || (waiting_bytes() == 0 &&
                                      (is_finishing_ || (is_input_over_ && input_.find('\n') == std::string::npos)));
  if (is_over) {
    const auto closed = std::move(handlers_.closed);  // which may end this
    closed();
    return;
  }
  if (had_output && waiting_bytes() == 0 && handlers_.drained) {
    handlers_.drained();
  }
  if (*is_alive) {
    settle();
  }
}

bool LineStream::read_some() {
  std::array<char, 16384> chunk;
  while (!is_input_over_ && input_.size() <= kMaxLineBytes) {
    const ssize_t got = ::recv(connection_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (got < 0) {
      return errno == EINTR || errno == EAGAIN;
    }
    if (got == 0) {
      is_input_over_ = true;
    }
    input_.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return true;
}

// False: this exists no more. What is told leaves the input at once, and not line by line, of which there may be as
// many as bytes; those that are left after some of them are told in a turn of their own.
bool LineStream::tell_lines() {
  const std::shared_ptr<bool> is_alive = is_alive_;
  std::string lines = std::exchange(input_, {});
  std::size_t at = 0;
  for (int told = 0; is_input_wanted_ && !is_finishing_ && told < kMaxLinesOfTurn; ++told) {
    const std::size_t end = lines.find('\n', at);
    if (end == std::string::npos) {
      is_broken_ = is_broken_ || lines.size() - at > kMaxLineBytes;
      break;
    }
    const std::string_view line = std::string_view(lines).substr(at, end - at);
    at = end + 1;
    handlers_.line(line);
    if (!*is_alive) {
      return false;
    }
  }
  lines.erase(0, at);
  input_ = std::move(lines);
  return true;
}

bool LineStream::write_some() {
  while (written_ < output_.size()) {
    const ssize_t put =
        ::send(connection_.get(), output_.data() + written_, output_.size() - written_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && errno != EINTR) {
      return errno == EAGAIN;
    }
    written_ += put > 0 ? static_cast<std::size_t>(put) : 0;
  }
  output_.clear();
  written_ = 0;
  return true;
}

void LineStream::settle() {
  const bool has_line = input_.find('\n') != std::string::npos;
  const bool reads = is_input_wanted_ && !is_input_over_;
  const bool writes = waiting_bytes() > 0 || is_finishing_ || is_broken_ || (is_input_wanted_ && has_line);
  std::ignore = loop_.change(token_, (reads ? EPOLLIN : 0U) | (writes ? EPOLLOUT : 0U));
}

}  // namespace common
