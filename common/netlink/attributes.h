// Reads netlink messages: the messages of a datagram, a message's fixed header, its attributes. Pure. Inline, because a
// dump of ten thousand peers or routes goes through here attribute by attribute.
//
// Nothing is taken on trust: what is torn ends a walk, what is too short has no value.
#pragma once

#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "common/ip.h"
#include "common/result.h"

namespace netlink {

// Messages and attributes begin at multiples of four bytes (NLMSG_ALIGNTO, NLA_ALIGNTO).
constexpr std::size_t aligned(std::size_t bytes) { return (bytes + 3) & ~std::size_t{3}; }

// What is said of a message that cannot be read.
inline common::Error malformed_answer() { return {common::ErrorCode::system, "the kernel's answer is malformed"}; }

// Calls `handler`, which gives a Result<void>, for each message in a datagram, which is aligned to 4 bytes. Fails when
// a message is torn.
template <typename Handler>
common::Result<void> for_each_message(std::span<const std::byte> datagram, const Handler& handler) {
  // Not libmnl's mnl_nlmsg_ok: it takes a length above INT_MAX for a negative one, and lets it pass.
  while (!datagram.empty()) {
    const auto& message = *reinterpret_cast<const nlmsghdr*>(datagram.data());
    if (datagram.size() < sizeof message || message.nlmsg_len < sizeof message || message.nlmsg_len > datagram.size()) {
      return malformed_answer();
    }
    KRAIT_CHECK(handler(message));
    datagram = datagram.subspan(std::min(datagram.size(), aligned(message.nlmsg_len)));
  }
  return {};
}

// What follows the message's header. The message is one of for_each_message's, or built by Message.
inline std::span<const std::byte> message_payload(const nlmsghdr& message) {
  return std::span(reinterpret_cast<const std::byte*>(&message), message.nlmsg_len).subspan(sizeof message);
}

// The fixed header that starts the message's payload; empty when the message is too short.
template <typename Header>
std::optional<Header> message_header(const nlmsghdr& message) {
  const auto bytes = message_payload(message);
  Header header;
  if (bytes.size() < sizeof header) {
    return std::nullopt;
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  return header;
}

inline std::span<const std::byte> attribute_payload(const nlattr& attribute) {
  return std::span(reinterpret_cast<const std::byte*>(&attribute), attribute.nla_len).subspan(sizeof attribute);
}

// The attributes in a region. Not libmnl's loops: those run to the padding behind a message, which need not be there,
// and call a function for each field.
template <typename Handler>
void for_each_attribute(std::span<const std::byte> region, const Handler& handler) {
  const std::byte* at = region.data();
  for (std::size_t left = region.size(); left >= sizeof(nlattr);) {
    const auto& attribute = *reinterpret_cast<const nlattr*>(at);
    const std::size_t size = attribute.nla_len;
    if (size < sizeof attribute || size > left) {
      return;
    }
    handler(attribute);
    const std::size_t step = std::min(aligned(size), left);
    at += step;
    left -= step;
  }
}
template <typename Handler>
void for_each_attribute(const nlattr& nest, const Handler& handler) {
  for_each_attribute(attribute_payload(nest), handler);
}

// Table[type] is the last attribute of that type, null where there is none; types from `Size` on are left out.
template <std::size_t Size>
using AttributeTable = std::array<const nlattr*, Size>;

template <std::size_t Size>
AttributeTable<Size> find_attributes(std::span<const std::byte> region) {
  AttributeTable<Size> table{};
  for_each_attribute(region, [&](const nlattr& attribute) {
    if (const std::size_t type = attribute.nla_type & NLA_TYPE_MASK; type < Size) {
      table[type] = &attribute;
    }
  });
  return table;
}
template <std::size_t Size>
AttributeTable<Size> find_attributes(const nlattr& nest) {
  return find_attributes<Size>(attribute_payload(nest));
}
// `header_bytes` is the size of the message's fixed header.
template <std::size_t Size>
AttributeTable<Size> find_attributes(const nlmsghdr& message, std::size_t header_bytes) {
  const auto payload = message_payload(message);
  return find_attributes<Size>(payload.subspan(std::min(payload.size(), aligned(header_bytes))));
}

// The attribute's value; empty when there is no attribute or it is too short.
template <typename Value>
std::optional<Value> attribute_value(const nlattr* attribute) {
  if (attribute == nullptr || attribute->nla_len < sizeof *attribute + sizeof(Value)) {
    return std::nullopt;
  }
  Value value;
  std::memcpy(&value, attribute_payload(*attribute).data(), sizeof value);
  return value;
}

// Reads an address of the family that `ip` has. False when there is no attribute or it has not the family's size. One
// branch a size: of a size that is not constant GCC makes `rep movsb`, which costs more than all the rest of a route.
inline bool read_ip(const nlattr* attribute, common::Ip& ip) {
  const std::size_t size = attribute != nullptr ? attribute_payload(*attribute).size() : 0;
  if (ip.family == common::Family::v4 && size == 4) {
    std::memcpy(ip.bytes.data(), attribute_payload(*attribute).data(), 4);
    return true;
  }
  if (ip.family == common::Family::v6 && size == 16) {
    std::memcpy(ip.bytes.data(), attribute_payload(*attribute).data(), 16);
    return true;
  }
  return false;
}
inline std::optional<common::Ip> attribute_ip(const nlattr* attribute, common::Family family) {
  std::optional<common::Ip> ip(common::Ip{.family = family, .bytes = {}});
  return read_ip(attribute, *ip) ? ip : std::nullopt;
}

// The prefix that an attribute and a length name; without the attribute 0.0.0.0 or ::. Empty when it is malformed.
inline std::optional<common::Prefix> attribute_prefix(const nlattr* attribute, common::Family family,
                                                      std::uint8_t length) {
  common::Prefix prefix{.ip = {.family = family, .bytes = {}}, .length = length};
  if (attribute != nullptr) {
    const auto ip = attribute_ip(attribute, family);
    if (!ip) {
      return std::nullopt;
    }
    prefix.ip = *ip;
  }
  return length <= prefix.ip.bits() ? std::optional(prefix) : std::nullopt;
}

// Up to the first zero; empty when there is no attribute.
inline std::string attribute_text(const nlattr* attribute) {
  if (attribute == nullptr) {
    return {};
  }
  const auto payload = attribute_payload(*attribute);
  const auto* text = reinterpret_cast<const char*>(payload.data());
  return {text, strnlen(text, payload.size())};
}

// AF_INET or AF_INET6, and back.
constexpr std::uint8_t address_family(common::Family family) {
  return family == common::Family::v4 ? AF_INET : AF_INET6;
}
constexpr std::optional<common::Family> family_of(std::uint16_t address_family) {
  return address_family == AF_INET    ? std::optional(common::Family::v4)
         : address_family == AF_INET6 ? std::optional(common::Family::v6)
                                      : std::nullopt;
}

}  // namespace netlink
