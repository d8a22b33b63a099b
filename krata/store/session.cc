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

void Outbox::add(const Message& message) {
  if (message.is_event && event_bytes_ != 0 && is_waiting(message.bytes)) {
    return;
  }
  buffer_.append(message.bytes);
  queue_.push_back({.bytes = message.bytes.size(), .is_event = message.is_event});
  answers_ += message.is_event ? 0 : 1;
  event_bytes_ += message.is_event ? message.bytes.size() : 0;
}

void Outbox::sent(std::size_t bytes) {
  sent_ += bytes;
  sent_of_first_ += bytes;
  while (!queue_.empty() && sent_of_first_ >= queue_.front().bytes) {
    sent_of_first_ -= queue_.front().bytes;
    answers_ -= queue_.front().is_event ? 0 : 1;
    event_bytes_ -= queue_.front().is_event ? queue_.front().bytes : 0;
    queue_.pop_front();
  }
  // Whole messages only: is_waiting counts from the first one's begin.
  if (sent_of_first_ == 0) {
    drop_front(buffer_, sent_);
  }
}

}  // namespace krata::store
