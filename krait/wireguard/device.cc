#include "krait/wireguard/device.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/time_types.h>
#include <linux/wireguard.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "common/netlink/attributes.h"
#include "common/netlink/generic.h"

namespace krait::wireguard {

using common::Endpoint;
using common::Error;
using common::ErrorCode;
using common::Family;
using common::Prefix;
using common::Result;
using netlink::address_family;
using netlink::attribute_value;
using netlink::family_of;
using netlink::find_attributes;
using netlink::for_each_attribute;
using netlink::kLargeMessageBytes;
using netlink::kSmallMessageBytes;
using netlink::malformed_answer;
using netlink::Message;
using netlink::message_header;
using netlink::read_ip;
using netlink::Socket;

namespace {

// The largest that one more piece can be, each attribute with its header of 4 bytes: a peer's nest, key, flags,
// endpoint (sockaddr_in6), preshared key, interval and the allowed IPs' nest; one allowed IP's nest, family, IPv6
// address and length.
constexpr std::size_t kPeerMostBytes = 4 + 36 + 8 + 32 + 36 + 8 + 4;
constexpr std::size_t kAllowedIpMostBytes = 4 + 8 + 20 + 8;

Message device_message(std::uint16_t family, std::uint8_t command, std::uint32_t index, std::size_t capacity_bytes) {
  Message message(family, 0, capacity_bytes);
  message.put_header(genlmsghdr{.cmd = command, .version = WG_GENL_VERSION, .reserved = 0});
  message.put_number(WGDEVICE_A_IFINDEX, index);
  return message;
}

void put_endpoint(Message& message, const Endpoint& endpoint) {
  if (endpoint.ip.family == Family::v4) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    std::memcpy(&address.sin_addr, endpoint.ip.bytes.data(), sizeof address.sin_addr);
    message.put(WGPEER_A_ENDPOINT, std::as_bytes(std::span(&address, 1)));
  } else {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(endpoint.port);
    std::memcpy(&address.sin6_addr, endpoint.ip.bytes.data(), sizeof address.sin6_addr);
    message.put(WGPEER_A_ENDPOINT, std::as_bytes(std::span(&address, 1)));
  }
}

void put_allowed_ip(Message& message, const Prefix& prefix) {
  const auto nest = message.begin_nest(0);
  message.put_number<std::uint16_t>(WGALLOWEDIP_A_FAMILY, address_family(prefix.ip.family));
  message.put_ip(WGALLOWEDIP_A_IPADDR, prefix.ip);
  message.put_number(WGALLOWEDIP_A_CIDR_MASK, prefix.length);
  message.end_nest(nest);
}

void put_session(Message& message, const PeerUpdate& update) {
  static constexpr std::array<std::uint8_t, WG_KEY_LEN> kNone{};
  if (update.keepalive_s) {
    message.put_number(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, *update.keepalive_s);
  }
  if (update.preshared_key || update.without_preshared_key) {
    const auto& key = update.preshared_key ? update.preshared_key->bytes() : kNone;
    message.put(WGPEER_A_PRESHARED_KEY, std::as_bytes(std::span(key)));
  }
}

// Puts the peer with as many of its allowed IPs from `first` on as fit; gives the number of the first one left.
std::size_t put_peer(Message& message, const PeerUpdate& update, std::size_t first) {
  const auto peer = message.begin_nest(0);
  message.put(WGPEER_A_PUBLIC_KEY, std::as_bytes(std::span(update.public_key)));
  if (update.remove) {
    message.put_number<std::uint32_t>(WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME);
  } else if (first != 0 || update.only_if_present) {
    message.put_number<std::uint32_t>(WGPEER_A_FLAGS, WGPEER_F_UPDATE_ONLY);
  }
  if (update.endpoint && first == 0) {
    put_endpoint(message, *update.endpoint);
  }
  if (first == 0) {
    put_session(message, update);
  }
  std::size_t next = first;
  if (next < update.allowed_ips.size()) {
    const auto list = message.begin_nest(WGPEER_A_ALLOWEDIPS);
    for (; next < update.allowed_ips.size() && message.room_bytes() >= kAllowedIpMostBytes; ++next) {
      put_allowed_ip(message, update.allowed_ips[next]);
    }
    message.end_nest(list);
  }
  message.end_nest(peer);
  return next;
}

std::optional<Endpoint> parse_endpoint(const nlattr* attribute) {
  const auto family = attribute_value<sa_family_t>(attribute);
  Endpoint endpoint;
  if (family == sa_family_t{AF_INET}) {
    const auto address = attribute_value<sockaddr_in>(attribute);
    if (!address) {
      return std::nullopt;
    }
    std::memcpy(endpoint.ip.bytes.data(), &address->sin_addr, sizeof address->sin_addr);
    endpoint.port = ntohs(address->sin_port);
    return endpoint;
  }
  const auto address = attribute_value<sockaddr_in6>(attribute);
  if (family != sa_family_t{AF_INET6} || !address) {
    return std::nullopt;
  }
  endpoint.ip.family = Family::v6;
  std::memcpy(endpoint.ip.bytes.data(), &address->sin6_addr, sizeof address->sin6_addr);
  endpoint.port = ntohs(address->sin6_port);
  return endpoint;
}

std::optional<Prefix> parse_allowed_ip(const nlattr& nest) {
  const auto table = find_attributes<WGALLOWEDIP_A_CIDR_MASK + 1>(nest);
  const auto family = family_of(attribute_value<std::uint16_t>(table[WGALLOWEDIP_A_FAMILY]).value_or(0));
  const auto length = attribute_value<std::uint8_t>(table[WGALLOWEDIP_A_CIDR_MASK]);
  std::optional<Prefix> prefix;
  if (family && length) {
    prefix.emplace(Prefix{.ip = {.family = *family, .bytes = {}}, .length = *length});
    if (!read_ip(table[WGALLOWEDIP_A_IPADDR], prefix->ip) || prefix->length > prefix->ip.bits()) {
      prefix.reset();
    }
  }
  return prefix;
}

// Of the peer's preshared key; none where the message does not say.
std::optional<crypto::Hash> parse_preshared_id(const nlattr* attribute) {
  auto preshared = attribute_value<std::array<std::uint8_t, WG_KEY_LEN>>(attribute);
  if (!preshared) {
    return std::nullopt;
  }
  const crypto::Hash id = preshared_id(*preshared);
  ::explicit_bzero(preshared->data(), preshared->size());
  return id;
}

bool parse_peer(const nlattr& nest, DeviceState& device) {
  const auto table = find_attributes<WGPEER_A_ALLOWEDIPS + 1>(nest);
  const auto key = attribute_value<model::PublicKey>(table[WGPEER_A_PUBLIC_KEY]);
  if (!key) {
    return false;
  }
  if (device.peers.empty() || device.peers.back().public_key != *key) {
    device.peers.emplace_back().public_key = *key;
  }
  PeerState& peer = device.peers.back();
  if (const auto endpoint = parse_endpoint(table[WGPEER_A_ENDPOINT])) {
    peer.endpoint = endpoint;
  }
  peer.keepalive_s =
      attribute_value<std::uint16_t>(table[WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL]).value_or(peer.keepalive_s);
  peer.preshared_id = parse_preshared_id(table[WGPEER_A_PRESHARED_KEY]).value_or(peer.preshared_id);
  if (const auto time = attribute_value<__kernel_timespec>(table[WGPEER_A_LAST_HANDSHAKE_TIME])) {
    peer.last_handshake_s = time->tv_sec;
  }
  peer.received_bytes = attribute_value<std::uint64_t>(table[WGPEER_A_RX_BYTES]).value_or(peer.received_bytes);
  peer.sent_bytes = attribute_value<std::uint64_t>(table[WGPEER_A_TX_BYTES]).value_or(peer.sent_bytes);
  bool good = true;
  if (table[WGPEER_A_ALLOWEDIPS] != nullptr) {
    for_each_attribute(*table[WGPEER_A_ALLOWEDIPS], [&](const nlattr& attribute) {
      const auto allowed_ip = parse_allowed_ip(attribute);
      if (allowed_ip) {
        peer.allowed_ips.push_back(*allowed_ip);
      }
      good = good && allowed_ip;
    });
  }
  return good;
}

}  // namespace

Error no_wireguard() {
  return {ErrorCode::unsupported,
          "this kernel has no WireGuard; load the module wireguard or use a kernel with CONFIG_WIREGUARD"};
}

Result<Device> Device::open() {
  KRAIT_TRY(auto socket, Socket::open(NETLINK_GENERIC), "talk to the kernel's WireGuard");
  auto family = netlink::find_family(socket, WG_GENL_NAME);
  if (!family && family.error().sys_errno() == ENOENT) {
    return no_wireguard();
  }
  if (!family) {
    return passed_on(family, "look up the kernel's WireGuard");
  }
  return Device(std::move(socket), *family);
}

Result<DeviceState> Device::read(std::uint32_t index) {
  Message message = device_message(family_, WG_CMD_GET_DEVICE, index, kSmallMessageBytes);
  DeviceState device;
  KRAIT_CHECK(socket_.dump(
                  message, [&] { device = {}; },
                  [&](const nlmsghdr& answer) -> Result<void> {
                    if (!parse_device(answer, device)) {
                      return malformed_answer();
                    }
                    return {};
                  }),
              "read the WireGuard device");
  for (PeerState& peer : device.peers) {
    std::ranges::sort(peer.allowed_ips);
  }
  std::ranges::sort(device.peers, {}, &PeerState::public_key);
  return device;
}

Result<bool> Device::is(std::uint32_t index, const model::WireguardImage& image, const model::PublicKey& key) {
  Message message = device_message(family_, WG_CMD_GET_DEVICE, index, kSmallMessageBytes);
  std::optional<DeviceComparison> comparison;
  KRAIT_CHECK(socket_.dump(
                  message, [&] { comparison.emplace(image, key); },
                  [&](const nlmsghdr& answer) -> Result<void> {
                    if (!comparison->add(answer)) {
                      return malformed_answer();
                    }
                    return {};
                  }),
              "read the WireGuard device");
  return comparison->same();
}

Result<void> Device::set_port(std::uint32_t index, std::uint16_t port) {
  Message message = device_message(family_, WG_CMD_SET_DEVICE, index, kSmallMessageBytes);
  message.put_number(WGDEVICE_A_LISTEN_PORT, port);
  return socket_.request(message);
}

Result<void> Device::set_key(std::uint32_t index, const PrivateKey& key) {
  Message message = device_message(family_, WG_CMD_SET_DEVICE, index, kSmallMessageBytes);
  message.put(WGDEVICE_A_PRIVATE_KEY, std::as_bytes(std::span(key.bytes(), WG_KEY_LEN)));
  return socket_.request(message);
}

Result<void> Device::call_peers(std::uint32_t index, std::span<const PeerState> peers) {
  // Setting an interval where there was none sends one keepalive at once (drivers/net/wireguard/netlink.c, set_peer).
  enum class Interval : std::uint8_t { none, one, own };
  for (const Interval interval : {Interval::none, Interval::one, Interval::own}) {
    for (std::size_t first = 0; first < peers.size();) {
      Message message = device_message(family_, WG_CMD_SET_DEVICE, index, kLargeMessageBytes);
      const auto list = message.begin_nest(WGDEVICE_A_PEERS);
      for (; first < peers.size() && message.room_bytes() >= kPeerMostBytes; ++first) {
        const auto peer = message.begin_nest(0);
        message.put(WGPEER_A_PUBLIC_KEY, std::as_bytes(std::span(peers[first].public_key)));
        message.put_number<std::uint32_t>(WGPEER_A_FLAGS, WGPEER_F_UPDATE_ONLY);
        const std::uint16_t own_s = peers[first].keepalive_s;
        message.put_number<std::uint16_t>(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, interval == Interval::none  ? 0
                                                                                  : interval == Interval::one ? 1
                                                                                                              : own_s);
        message.end_nest(peer);
      }
      message.end_nest(list);
      KRAIT_CHECK(socket_.request(message), "call the peers");
    }
  }
  return {};
}

Result<void> Device::update_peers(std::uint32_t index, std::span<const PeerUpdate> updates) {
  for (Message& message : peer_messages(family_, index, updates)) {
    KRAIT_CHECK(socket_.request(message));
  }
  return {};
}

std::vector<Message> peer_messages(std::uint16_t family, std::uint32_t index, std::span<const PeerUpdate> updates,
                                   std::size_t capacity_bytes) {
  std::vector<Message> messages;
  std::size_t update = 0;
  std::size_t allowed_ip = 0;
  while (update < updates.size()) {
    Message message = device_message(family, WG_CMD_SET_DEVICE, index, capacity_bytes);
    const auto list = message.begin_nest(WGDEVICE_A_PEERS);
    while (update < updates.size() && message.room_bytes() >= kPeerMostBytes + kAllowedIpMostBytes) {
      allowed_ip = put_peer(message, updates[update], allowed_ip);
      if (allowed_ip < updates[update].allowed_ips.size()) {
        break;
      }
      ++update;
      allowed_ip = 0;
    }
    message.end_nest(list);
    messages.push_back(std::move(message));
  }
  return messages;
}

bool parse_device(const nlmsghdr& message, DeviceState& device) {
  if (!message_header<genlmsghdr>(message)) {
    return false;
  }
  const auto table = find_attributes<WGDEVICE_A_PEERS + 1>(message, sizeof(genlmsghdr));
  device.index = attribute_value<std::uint32_t>(table[WGDEVICE_A_IFINDEX]).value_or(device.index);
  device.listen_port = attribute_value<std::uint16_t>(table[WGDEVICE_A_LISTEN_PORT]).value_or(device.listen_port);
  device.public_key = attribute_value<model::PublicKey>(table[WGDEVICE_A_PUBLIC_KEY]).value_or(device.public_key);
  bool good = true;
  if (table[WGDEVICE_A_PEERS] != nullptr) {
    for_each_attribute(*table[WGDEVICE_A_PEERS], [&](const nlattr& peer) { good = parse_peer(peer, device) && good; });
  }
  return good;
}

bool DeviceComparison::add(const nlmsghdr& message) {
  if (!message_header<genlmsghdr>(message)) {
    return false;
  }
  const auto table = find_attributes<WGDEVICE_A_PEERS + 1>(message, sizeof(genlmsghdr));
  if (table[WGDEVICE_A_LISTEN_PORT] != nullptr) {  // the first message; a device without a key sends none
    differs_ = differs_ || attribute_value<std::uint16_t>(table[WGDEVICE_A_LISTEN_PORT]) != listen_port_ ||
               attribute_value<model::PublicKey>(table[WGDEVICE_A_PUBLIC_KEY]) != key_;
  }
  bool good = true;
  if (table[WGDEVICE_A_PEERS] != nullptr && !differs_) {
    for_each_attribute(*table[WGDEVICE_A_PEERS], [&](const nlattr& peer) { good = add_peer(peer) && good; });
  }
  return good;
}

bool DeviceComparison::add_peer(const nlattr& nest) {
  const auto table = find_attributes<WGPEER_A_ALLOWEDIPS + 1>(nest);
  const auto key = attribute_value<model::PublicKey>(table[WGPEER_A_PUBLIC_KEY]);
  if (!key) {
    return false;
  }
  if (!begin_peer(*key, table[WGPEER_A_ENDPOINT] != nullptr)) {
    return true;
  }
  // A peer that is continued in another message has only its key and allowed IPs there.
  const auto keepalive_s = attribute_value<std::uint16_t>(table[WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL]);
  differs_ = differs_ || (keepalive_s && present_->keepalive_s != 0 && *keepalive_s != present_->keepalive_s);
  if (const auto id = parse_preshared_id(table[WGPEER_A_PRESHARED_KEY]); id && is_network_) {
    differs_ = differs_ || *id != present_->pair_id;
  }
  bool good = true;
  if (table[WGPEER_A_ALLOWEDIPS] != nullptr) {
    for_each_attribute(*table[WGPEER_A_ALLOWEDIPS],
                       [&](const nlattr& allowed_ip) { good = add_allowed_ip(allowed_ip) && good; });
  }
  return good;
}

// The kernel lists peers as they were added, and we add them in the image's order.
bool DeviceComparison::begin_peer(const model::PublicKey& key, bool has_endpoint) {
  // The next one of the image may be the last one that came, where the kernel's order is one behind.
  const bool is_next = peers_ < wanted_.size() && &wanted_[peers_] != present_ && wanted_[peers_].public_key == key;
  if (!is_next && present_ != nullptr && present_->public_key == key) {
    return !differs_;  // the message before ended within this peer
  }
  finish_peer();
  present_ = is_next ? &wanted_[peers_] : find_peer(wanted_, key);
  allowed_ips_ = 0;
  differs_ = differs_ || present_ == nullptr || (present_->endpoint && !has_endpoint);
  ++peers_;
  return !differs_;
}

void DeviceComparison::finish_peer() {
  differs_ = differs_ || (present_ != nullptr && allowed_ips_ != present_->allowed_ips.size());
}

bool DeviceComparison::add_allowed_ip(const nlattr& nest) {
  const auto prefix = parse_allowed_ip(nest);
  if (!prefix) {
    return false;
  }
  const auto& wanted = present_->allowed_ips;
  const bool in_order = allowed_ips_ < wanted.size() && wanted[allowed_ips_] == *prefix;
  differs_ = differs_ || !(in_order || std::ranges::binary_search(wanted, *prefix));
  ++allowed_ips_;
  return true;
}

bool DeviceComparison::same() const {
  return !differs_ && peers_ == wanted_.size() && (present_ == nullptr || allowed_ips_ == present_->allowed_ips.size());
}

}  // namespace krait::wireguard
