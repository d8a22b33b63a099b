#include "common/netlink/message.h"

#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include <cstring>
#include <limits>
#include <string>

#include "common/netlink/attributes.h"

namespace netlink {

Message::Message(std::uint16_t type, std::uint16_t flags, std::size_t capacity_bytes)
    : buffer_(std::make_unique<std::byte[]>(capacity_bytes)), capacity_bytes_(capacity_bytes) {
  nlmsghdr* header = mnl_nlmsg_put_header(buffer_.get());
  header->nlmsg_type = type;
  header->nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
}

Message::~Message() {
  if (buffer_) {
    ::explicit_bzero(buffer_.get(), capacity_bytes_);
  }
}

nlmsghdr& Message::header() { return *reinterpret_cast<nlmsghdr*>(buffer_.get()); }
const nlmsghdr& Message::header() const { return *reinterpret_cast<const nlmsghdr*>(buffer_.get()); }

std::size_t Message::room_bytes() const { return capacity_bytes_ - aligned(header().nlmsg_len); }

bool Message::reserve(std::size_t payload_bytes) {
  overflown_ = overflown_ || payload_bytes > room_bytes();
  return !overflown_;
}

void Message::put_header_bytes(std::span<const std::byte> bytes) {
  if (reserve(aligned(bytes.size()))) {
    std::memcpy(mnl_nlmsg_put_extra_header(&header(), bytes.size()), bytes.data(), bytes.size());
  }
}

void Message::put(std::uint16_t type, std::span<const std::byte> payload) {
  if (reserve(sizeof(nlattr) + aligned(payload.size()))) {
    mnl_attr_put(&header(), type, payload.size(), payload.data());
  }
}

void Message::put_text(std::uint16_t type, std::string_view text) {
  const std::string closed(text);
  put(type, std::as_bytes(std::span(closed.c_str(), closed.size() + 1)));
}

void Message::put_ip(std::uint16_t type, const common::Ip& ip) {
  put(type, std::as_bytes(std::span(ip.bytes)).first(ip.bits() / 8U));
}

std::size_t Message::begin_nest(std::uint16_t type) {
  const std::size_t nest = aligned(header().nlmsg_len);
  put(static_cast<std::uint16_t>(type | NLA_F_NESTED), {});
  return nest;
}

void Message::end_nest(std::size_t nest) {
  if (overflown_) {
    return;
  }
  const std::size_t length = header().nlmsg_len - nest;
  if (length > std::numeric_limits<std::uint16_t>::max()) {
    overflown_ = true;
    return;
  }
  reinterpret_cast<nlattr*>(buffer_.get() + nest)->nla_len = static_cast<std::uint16_t>(length);
}

}  // namespace netlink
