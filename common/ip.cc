#include "common/ip.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace common {

namespace {

template <typename T>
std::optional<T> parse_number(std::string_view text, T most) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value > most ||
      (text.size() > 1 && text.front() == '0')) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<Ip> Ip::parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (text.size() >= buffer.size() || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  std::copy(text.begin(), text.end(), buffer.begin());
  Ip ip;
  ip.family = text.find(':') == std::string_view::npos ? Family::v4 : Family::v6;
  const int family = ip.family == Family::v4 ? AF_INET : AF_INET6;
  if (::inet_pton(family, buffer.data(), ip.bytes.data()) != 1) {
    return std::nullopt;
  }
  return ip;
}

std::string Ip::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  ::inet_ntop(family == Family::v4 ? AF_INET : AF_INET6, bytes.data(), buffer.data(), buffer.size());
  return buffer.data();
}

std::array<std::uint8_t, 16> Ip::mapped() const {
  if (family == Family::v6) {
    return bytes;
  }
  std::array<std::uint8_t, 16> mapped{};
  mapped[10] = mapped[11] = 0xff;
  std::copy_n(bytes.begin(), 4, mapped.begin() + 12);
  return mapped;
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) {
    return std::nullopt;
  }
  const auto ip = Ip::parse(text.substr(0, slash));
  if (!ip) {
    return std::nullopt;
  }
  const auto length = parse_number<std::uint8_t>(text.substr(slash + 1), ip->bits());
  if (!length) {
    return std::nullopt;
  }
  return Prefix{*ip, *length};
}

std::string Prefix::text() const { return fmt::format("{}/{}", ip.text(), length); }

Prefix Prefix::masked() const {
  Prefix result = *this;
  for (std::size_t i = 0; i < result.ip.bytes.size(); ++i) {
    const int keep = std::clamp(static_cast<int>(length) - static_cast<int>(i) * 8, 0, 8);
    result.ip.bytes[i] &= static_cast<std::uint8_t>(0xff00U >> static_cast<unsigned>(keep));
  }
  return result;
}

bool Prefix::contains(const Ip& address) const {
  return address.family == ip.family && Prefix{address, length}.masked().ip == masked().ip;
}

bool Prefix::has_host_bits() const { return masked() != *this; }

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
  }
  const auto ip = Ip::parse(host);
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1), 65535);
  if (!ip || !port || *port == 0 || bracketed != (ip->family == Family::v6)) {
    return std::nullopt;
  }
  return Endpoint{*ip, *port};
}

std::string Endpoint::text() const {
  return ip.family == Family::v6 ? fmt::format("[{}]:{}", ip.text(), port) : fmt::format("{}:{}", ip.text(), port);
}

}  // namespace common
