// IP addresses and prefixes as plain values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace common {

enum class Family : std::uint8_t { v4 = 4, v6 = 6 };

// An address: 4 or 16 bytes in network order at the front of `bytes`, the rest zero.
struct Ip {
  Family family = Family::v4;
  std::array<std::uint8_t, 16> bytes{};

  // Dotted quad or RFC 4291 text without zone. Nothing else is accepted (no leading zeros in IPv4).
  static std::optional<Ip> parse(std::string_view text);
  [[nodiscard]] std::string text() const;  // RFC 5952 for IPv6
  [[nodiscard]] std::uint8_t bits() const { return family == Family::v4 ? 32 : 128; }
  // The address as 16 bytes, IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2).
  [[nodiscard]] std::array<std::uint8_t, 16> mapped() const;

  auto operator<=>(const Ip&) const = default;
  // As the default one would, and GCC makes no call of it: dumps of many routes are compared address by address.
  bool operator==(const Ip& other) const {
    return family == other.family && std::memcmp(bytes.data(), other.bytes.data(), sizeof bytes) == 0;
  }
};

// A network: the bits behind `length` are zero.
struct Prefix {
  Ip ip;
  std::uint8_t length = 0;  // 0..32 or 0..128

  // "10.20.0.0/16". Empty when the text is no prefix; host bits are kept, see has_host_bits.
  static std::optional<Prefix> parse(std::string_view text);
  static Prefix host(const Ip& ip) { return {ip, ip.bits()}; }
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool contains(const Ip& address) const;
  [[nodiscard]] bool has_host_bits() const;
  [[nodiscard]] Prefix masked() const;

  auto operator<=>(const Prefix&) const = default;
};

// host:port or [v6]:port, numeric only.
struct Endpoint {
  Ip ip;
  std::uint16_t port = 0;  // host order, 1..65535

  static std::optional<Endpoint> parse(std::string_view text);
  [[nodiscard]] std::string text() const;

  auto operator<=>(const Endpoint&) const = default;
};

}  // namespace common
