#include "krata/store/session.h"

namespace krata::store {

namespace {

constexpr std::size_t kKeptCapacityBytes = 16 << 10;  // beyond which an empty buffer is given back

void drop_front(std::string& buffer, std::size_t& taken) {
  if (taken == buffer.size()) {
    buffer.clear();
    taken = 0;
    if (buffer.capacity() > kKeptCapacityBytes) {
      buffer.shrink_to_fit();
    }
  } else if (taken >= kKeptCapacityBytes) {
    buffer.erase(0, taken);
    taken = 0;
  }
}

}  // namespace

void Inbox::append(std::string_view bytes) {
  drop_front(buffer_, taken_);
  buffer_.append(bytes);
}

std::optional<Request> Inbox::next() {
  if (is_broken_ || bytes() < kHeaderBytes) {
    return std::nullopt;
  }
  const std::string_view rest = std::string_view(buffer_).substr(taken_);
  const Header header = read_header(rest);
  if (header.payload_bytes > kMaxPayloadBytes) {
    is_broken_ = true;
    return std::nullopt;
  }
  if (rest.size() < kHeaderBytes + header.payload_bytes) {
    return std::nullopt;
  }
  taken_ += kHeaderBytes + header.payload_bytes;
  return Request{.operation = header.operation,
                 .id = header.request,
                 .transaction = header.transaction,
                 .payload = rest.substr(kHeaderBytes, header.payload_bytes)};
}

// The first message does not count once a part of it has left: it is on its way.
bool Outbox::is_waiting(std::string_view event) const {
  std::size_t at = sent_ - sent_of_first_;
  for (std::size_t i = 0; i < queue_.size(); ++i) {
    const bool is_on_its_way = i == 0 && sent_of_first_ != 0;
    if (queue_[i].is_event && !is_on_its_way && std::string_view(buffer_).substr(at, queue_[i].bytes) == event) {
      return true;
    }
    at += queue_[i].bytes;
  }
  return false;
}

bool Outbox::add(const Message& message) {
  if (message.is_event && event_bytes_ != 0 && is_waiting(message.bytes)) {
    return false;
  }
  append(message.bytes, message.is_event);
  return true;
}

void Outbox::append(std::string_view bytes, bool is_event) {
  buffer_.append(bytes);
  queue_.push_back({.bytes = bytes.size(), .is_event = is_event});
  answers_ += is_event ? 0 : 1;
  event_bytes_ += is_event ? bytes.size() : 0;
}

std::vector<Outbox::Waiting> Outbox::messages() const {
  std::vector<Waiting> all;
  std::size_t at = sent_ - sent_of_first_;
  for (const Queued& queued : queue_) {
    all.push_back({.bytes = std::string_view(buffer_).substr(at, queued.bytes), .is_event = queued.is_event});
    at += queued.bytes;
  }
  return all;
}

std::size_t Outbox::sent(std::size_t bytes) {
  std::size_t through = 0;
  sent_ += bytes;
  sent_of_first_ += bytes;
  while (!queue_.empty() && sent_of_first_ >= queue_.front().bytes) {
    sent_of_first_ -= queue_.front().bytes;
    through += queue_.front().bytes;
    answers_ -= queue_.front().is_event ? 0 : 1;
    event_bytes_ -= queue_.front().is_event ? queue_.front().bytes : 0;
    queue_.pop_front();
  }
  // Whole messages only: is_waiting counts from the first one's begin.
  if (sent_of_first_ == 0) {
    drop_front(buffer_, sent_);
  }
  return through;
}

}  // namespace krata::store
