#include "krata/channel/message.h"

#include <algorithm>

#include "common/digest.h"
#include "krata/bundle/bytes.h"

namespace krata::channel {

namespace {

using bundle::append_number;
using bundle::ByteReader;

constexpr char kEnd = '\0';
constexpr std::size_t kHeaderBytes = 8;
constexpr std::size_t kChecksumBytes = 4;
// Consistent overhead byte stuffing: a block of up to 254 bytes without a zero lies behind its length and one; a length
// below 255 stands for a zero behind the block as well, but for the last. So a zero ends a message wherever one is.
constexpr std::size_t kMaxBlockBytes = 254;
constexpr std::size_t kMaxPlainBytes = kHeaderBytes + kMaxPayloadBytes + kChecksumBytes;
constexpr std::size_t kMaxStuffedBytes = kMaxPlainBytes + kMaxPlainBytes / kMaxBlockBytes + 1;

void append_stuffed(std::string& out, std::string_view plain) {
  for (;;) {
    const std::size_t zero = std::min(plain.find(kEnd), plain.size());
    const std::size_t size = std::min(zero, kMaxBlockBytes);
    out.push_back(static_cast<char>(size + 1));
    out += plain.substr(0, size);
    if (size == plain.size()) {
      return;
    }
    plain.remove_prefix(size == kMaxBlockBytes ? size : size + 1);
  }
}

// Nothing: a block reaches beyond the end.
std::optional<std::string> unstuffed(std::string_view stuffed) {
  std::string plain;
  plain.reserve(stuffed.size());
  while (!stuffed.empty()) {
    const std::size_t size = static_cast<unsigned char>(stuffed.front()) - std::size_t{1};
    stuffed.remove_prefix(1);
    if (size > stuffed.size()) {
      return std::nullopt;
    }
    plain += stuffed.substr(0, size);
    stuffed.remove_prefix(size);
    if (size != kMaxBlockBytes && !stuffed.empty()) {
      plain.push_back(kEnd);
    }
  }
  return plain;
}

std::uint32_t checksum_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(common::Digest::of(bytes).low & 0xffff'ffffU);
}

std::optional<Message> read_message(std::string_view stuffed) {
  const auto plain = unstuffed(stuffed);
  if (!plain || plain->size() < kHeaderBytes + kChecksumBytes || plain->size() > kMaxPlainBytes) {
    return std::nullopt;
  }
  ByteReader reader(*plain);
  const auto kind = reader.number<std::uint16_t>();
  const auto zero = reader.number<std::uint16_t>();
  const auto session = reader.number<std::uint32_t>();
  const auto payload = reader.piece(plain->size() - kHeaderBytes - kChecksumBytes);
  const auto checksum = reader.number<std::uint32_t>();
  const std::string_view checked = std::string_view(*plain).substr(0, plain->size() - kChecksumBytes);
  if (checksum != checksum_of(checked) || zero != std::uint16_t{0}) {
    return std::nullopt;
  }
  return Message{.kind = Kind{*kind}, .session = *session, .payload = std::string(*payload)};
}

}  // namespace

void append_message(std::string& out, Kind kind, SessionId session, std::string_view payload) {
  std::string plain;
  plain.reserve(kHeaderBytes + payload.size() + kChecksumBytes);
  append_number(plain, static_cast<std::uint16_t>(kind));
  append_number(plain, std::uint16_t{0});
  append_number(plain, session);
  plain += payload;
  append_number(plain, checksum_of(plain));
  append_stuffed(out, plain);
  out.push_back(kEnd);
}

void append_break(std::string& out) { out.push_back(kEnd); }

void MessageReader::feed(std::string_view bytes) {
  bytes_.erase(0, at_);
  seen_ -= at_;
  at_ = 0;
  bytes_ += bytes;
}

std::optional<Message> MessageReader::next() {
  for (;;) {
    const std::size_t end = bytes_.find(kEnd, seen_);
    if (end == std::string::npos) {
      seen_ = bytes_.size();
      if (seen_ - at_ > kMaxStuffedBytes) {
        overflown_ = true;
      }
      if (overflown_) {
        lost_bytes_ += seen_ - at_;
        at_ = seen_;
      }
      return std::nullopt;
    }
    const std::string_view stuffed = std::string_view(bytes_).substr(at_, end - at_);
    at_ = seen_ = end + 1;
    if (stuffed.empty() && !overflown_) {
      continue;  // a break
    }
    auto message = overflown_ || stuffed.size() > kMaxStuffedBytes ? std::nullopt : read_message(stuffed);
    overflown_ = false;
    if (message) {
      return message;
    }
    lost_bytes_ += stuffed.size() + 1;
  }
}

}  // namespace krata::channel
