#include "krait/trust/codec.h"

#include <fmt/format.h>

#include <limits>

namespace krait::trust {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

}  // namespace

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes && is_letter_or_digit(text.front()) &&
         std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

bool is_rule_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxRuleNameBytes &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

void Writer::number(std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = bytes; i > 0; --i) {
    bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * (i - 1))));
  }
}

void Writer::text(const std::string& value, std::size_t max_bytes) {
  static_cast<void>(max_bytes);
  number(value.size(), 2);
  bytes_.insert(bytes_.end(), value.begin(), value.end());
}

void Writer::blob(BytesView value) {
  number(value.size(), 4);
  append(value);
}

BytesView Reader::take(std::size_t bytes) {
  require(rest_.size() >= bytes, "too short");
  if (!good()) {
    return {};
  }
  const BytesView taken = rest_.first(bytes);
  rest_ = rest_.subspan(bytes);
  return taken;
}

std::uint64_t Reader::number(std::size_t bytes) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : take(bytes)) {
    value = (value << 8U) | byte;
  }
  return value;
}

void Reader::text(std::string& value, std::size_t max_bytes) {
  const std::uint64_t size = number(2);
  require(size <= max_bytes, "too long a text");
  const BytesView bytes = take(good() ? size : 0);
  value.assign(bytes.begin(), bytes.end());
}

void Reader::truth(bool& value) {
  const std::uint64_t byte = number(1);
  require(byte <= 1, "a flag that is neither 0 nor 1");
  value = byte == 1;
}

BytesView Reader::blob(std::size_t max_bytes) {
  const std::uint64_t size = number(4);
  require(size <= max_bytes, "too long a part");
  return take(good() ? size : 0);
}

Result<void> Reader::finish() {
  require(rest_.empty(), "more than there should be");
  if (!good()) {
    return Error(ErrorCode::invalid_input, fmt::format("{}: {}", what_, fault_));
  }
  return {};
}

}  // namespace krait::trust
