// Values to bytes and back: little-endian numbers, and strings behind their length in four bytes. Pure.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace krata::bundle {

template <std::unsigned_integral Number>
void append_number(std::string& out, Number number) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    out.push_back(static_cast<char>((static_cast<std::uint64_t>(number) >> (8 * i)) & 0xffU));
  }
}

// Of at most 4 GiB.
inline void append_string(std::string& out, std::string_view text) {
  append_number(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

// Reads what lies in `bytes` from its beginning on. Where it ends too early nothing is given, now and from then on.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : left_(bytes) {}

  template <std::unsigned_integral Number>
  std::optional<Number> number() {
    const auto bytes = piece(sizeof(Number));
    if (!bytes) {
      return std::nullopt;
    }
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
      number |= static_cast<std::uint64_t>(static_cast<unsigned char>((*bytes)[i])) << (8 * i);
    }
    return static_cast<Number>(number);
  }

  std::optional<std::string_view> piece(std::size_t size) {
    if (broken_ || size > left_.size()) {
      broken_ = true;
      return std::nullopt;
    }
    const std::string_view bytes = left_.substr(0, size);
    left_.remove_prefix(size);
    return bytes;
  }

  std::optional<std::string_view> string() {
    const auto size = number<std::uint32_t>();
    return size ? piece(*size) : std::nullopt;
  }

  [[nodiscard]] bool at_end() const { return !broken_ && left_.empty(); }
  [[nodiscard]] std::string_view left() const { return left_; }

 private:
  std::string_view left_;
  bool broken_ = false;
};

}  // namespace krata::bundle
