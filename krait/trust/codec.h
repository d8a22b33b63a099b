// The one byte encoding: numbers big-endian, texts and lists behind their length, nothing optional without its flag. A
// value is described once, by a template that a Writer and a Reader run alike.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/ip.h"
#include "common/result.h"
#include "krait/trust/items.h"

namespace krait::trust {

// 1..63 of A-Z a-z 0-9 . _ -, the first a letter or digit: as krait/config has it.
bool is_name(std::string_view text);
// 1..kMaxRuleNameBytes bytes without control characters.
bool is_rule_name(std::string_view text);

class Writer {
 public:
  static constexpr bool kReads = false;

  void number(std::uint64_t value, std::size_t bytes);
  template <typename T>
  void integer(const T& value) {
    number(static_cast<std::uint64_t>(value), sizeof(T));
  }
  template <std::size_t Size>
  void raw(const std::array<std::uint8_t, Size>& value) {
    bytes_.insert(bytes_.end(), value.begin(), value.end());
  }
  void text(const std::string& value, std::size_t max_bytes);
  void truth(const bool& value) { bytes_.push_back(value ? 1 : 0); }
  void append(BytesView value) { bytes_.insert(bytes_.end(), value.begin(), value.end()); }
  void blob(BytesView value);  // behind its length of 32 bits
  template <typename Values, typename Describe>
  void list(const Values& values, std::size_t max, const Describe& describe) {
    static_cast<void>(max);
    number(values.size(), 4);
    for (const auto& value : values) {
      describe(*this, value);
    }
  }
  template <typename T, typename Describe>
  void optional(const std::optional<T>& value, const Describe& describe) {
    truth(value.has_value());
    if (value) {
      describe(*this, *value);
    }
  }
  void require(bool holds, std::string_view what) {
    static_cast<void>(holds);
    static_cast<void>(what);
  }
  Bytes take() { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

// After the first fault everything that is read is empty, and the fault stays.
class Reader {
 public:
  static constexpr bool kReads = true;

  // `what` is read, for messages.
  Reader(BytesView bytes, std::string_view what) : rest_(bytes), what_(what) {}

  std::uint64_t number(std::size_t bytes);
  template <typename T>
  void integer(T& value) {
    value = static_cast<T>(number(sizeof(T)));
  }
  template <std::size_t Size>
  void raw(std::array<std::uint8_t, Size>& value) {
    const BytesView bytes = take(Size);
    std::ranges::copy(bytes, value.begin());
  }
  void text(std::string& value, std::size_t max_bytes);
  void truth(bool& value);
  BytesView blob(std::size_t max_bytes);
  template <typename Values, typename Describe>
  void list(Values& values, std::size_t max, const Describe& describe) {
    const std::uint64_t count = number(4);
    require(count <= max, "too long a list");
    for (std::uint64_t i = 0; i < count && good(); ++i) {
      typename Values::value_type value{};
      describe(*this, value);
      values.push_back(std::move(value));
    }
  }
  template <typename T, typename Describe>
  void optional(std::optional<T>& value, const Describe& describe) {
    bool is_there = false;
    truth(is_there);
    if (is_there) {
      value.emplace();
      describe(*this, *value);
    }
  }
  void require(bool holds, std::string_view what) {
    if (!holds && fault_.empty()) {
      fault_ = what;
    }
  }
  [[nodiscard]] bool good() const { return fault_.empty(); }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }
  [[nodiscard]] bool is_next(std::uint8_t byte) const { return !rest_.empty() && rest_.front() == byte; }
  BytesView take(std::size_t bytes);
  // Everything was read, and was as it should be.
  [[nodiscard]] common::Result<void> finish();

 private:
  BytesView rest_;
  std::string_view what_;
  std::string fault_;
};

template <typename Codec, typename Text>
void describe_name(Codec& codec, Text& name) {
  codec.text(name, kMaxNameBytes);
  codec.require(is_name(name), "a name that is none");
}

template <typename Codec, typename Address>
void describe_ip(Codec& codec, Address& ip) {
  auto family = static_cast<std::uint8_t>(ip.family);
  codec.integer(family);
  codec.require(family == 4 || family == 6, "an address of no family");
  if constexpr (Codec::kReads) {
    ip.family = family == 6 ? common::Family::v6 : common::Family::v4;
  }
  for (std::size_t i = 0; i < ip.bits() / 8U; ++i) {
    codec.integer(ip.bytes[i]);
  }
}

template <typename Codec, typename Network>
void describe_prefix(Codec& codec, Network& prefix) {
  describe_ip(codec, prefix.ip);
  codec.integer(prefix.length);
  codec.require(prefix.length <= prefix.ip.bits() && !prefix.has_host_bits(), "a prefix that is none");
}

// Strictly ascending by what `project` gives.
template <typename Values, typename Project = std::identity>
bool ascends(const Values& values, const Project& project = {}) {
  return std::ranges::adjacent_find(values, [&](const auto& a, const auto& b) {
           return !(std::invoke(project, a) < std::invoke(project, b));
         }) == values.end();
}

}  // namespace krait::trust
