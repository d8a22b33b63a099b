// A netlink request being built. Wraps libmnl; no type of libmnl shows here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>

#include "common/ip.h"

struct nlmsghdr;

namespace netlink {

// Enough for every request that names one thing (a link, an address, a route).
inline constexpr std::size_t kSmallMessageBytes = 512;
// Enough for hundreds of peers, and below the 65,535 bytes that one nested attribute can hold.
inline constexpr std::size_t kLargeMessageBytes = 32768;

// A request being built. Owns its memory and wipes it, for it may carry a key. What does not fit sets overflown(), and
// Socket refuses the message. Move-only.
class Message {
 public:
  // `flags` without NLM_F_REQUEST, which is always set.
  Message(std::uint16_t type, std::uint16_t flags, std::size_t capacity_bytes = kSmallMessageBytes);
  Message(Message&&) noexcept = default;
  Message& operator=(Message&&) = delete;
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  ~Message();

  // Appends the fixed header of the message's type. Before any attribute.
  template <typename Header>
  void put_header(const Header& header) {
    put_header_bytes({reinterpret_cast<const std::byte*>(&header), sizeof header});
  }
  void put(std::uint16_t type, std::span<const std::byte> payload);
  template <typename Value>
    requires std::is_integral_v<Value>
  void put_number(std::uint16_t type, Value value) {
    put(type, {reinterpret_cast<const std::byte*>(&value), sizeof value});
  }
  void put_text(std::uint16_t type, std::string_view text);  // with the closing zero
  void put_ip(std::uint16_t type, const common::Ip& ip);     // 4 or 16 bytes
  [[nodiscard]] std::size_t begin_nest(std::uint16_t type);  // gives the nest to end
  void end_nest(std::size_t nest);

  [[nodiscard]] bool overflown() const { return overflown_; }
  [[nodiscard]] std::size_t room_bytes() const;
  [[nodiscard]] nlmsghdr& header();
  [[nodiscard]] const nlmsghdr& header() const;

 private:
  void put_header_bytes(std::span<const std::byte> bytes);
  [[nodiscard]] bool reserve(std::size_t payload_bytes);

  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_bytes_;
  bool overflown_ = false;
};

}  // namespace netlink
