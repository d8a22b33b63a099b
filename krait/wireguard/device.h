// The WireGuard side of an interface over generic netlink (linux/wireguard.h). Every call blocks for the kernel's
// answer only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/netlink/socket.h"
#include "common/result.h"
#include "krait/wireguard/key.h"
#include "krait/wireguard/sync.h"

struct nlattr;

namespace krait::wireguard {

// What ensure_link and Device::open say where the kernel cannot do it.
common::Error no_wireguard();

// A conversation with the kernel's WireGuard.
class Device {
 public:
  static common::Result<Device> open();  // unsupported when the kernel has no WireGuard

  common::Result<DeviceState> read(std::uint32_t index);
  // Whether the device is as wanted: see DeviceComparison.
  common::Result<bool> is(std::uint32_t index, const model::WireguardImage& image, const model::PublicKey& key);
  // EADDRINUSE when the interface is up and another holds the port.
  common::Result<void> set_port(std::uint32_t index, std::uint16_t port);
  // The kernel removes a peer that has the same key.
  common::Result<void> set_key(std::uint32_t index, const PrivateKey& key);
  // Sends each of these peers a packet without content, which makes a session where there is none. Keepalives that
  // somebody set stay as they are: the peers have none of ours.
  common::Result<void> call_peers(std::uint32_t index, std::span<const PeerState> peers);
  // In the order given, over as many messages as it takes.
  common::Result<void> update_peers(std::uint32_t index, std::span<const PeerUpdate> updates);

 private:
  Device(netlink::Socket socket, std::uint16_t family) : socket_(std::move(socket)), family_(family) {}

  netlink::Socket socket_;
  std::uint16_t family_;  // the number that this kernel gave to "wireguard"
};

// The messages that carry `updates` to the interface, each at most `capacity_bytes` (at least 256) large. A peer whose
// allowed IPs do not fit is continued in the next message.
std::vector<netlink::Message> peer_messages(std::uint16_t family, std::uint32_t index,
                                            std::span<const PeerUpdate> updates,
                                            std::size_t capacity_bytes = netlink::kLargeMessageBytes);

// Compares a dump with an image as it comes in, without keeping it: nothing is allocated for a peer. Endpoints are as
// wanted wherever there are some, for a peer may have roamed. Preshared keys are compared where they are pairs'.
class DeviceComparison {
 public:
  // `image` outlives the comparison.
  DeviceComparison(const model::WireguardImage& image, const model::PublicKey& key)
      : listen_port_(image.listen_port), wanted_(image.peers), is_network_(image.is_network), key_(key) {}

  // One message; may continue the last peer. False when it is malformed.
  bool add(const nlmsghdr& message);
  // After the last message.
  [[nodiscard]] bool same() const;

 private:
  bool add_peer(const nlattr& nest);
  bool begin_peer(const model::PublicKey& key, bool has_endpoint);
  bool add_allowed_ip(const nlattr& nest);
  void finish_peer();

  std::uint16_t listen_port_;
  std::span<const model::WireguardPeer> wanted_;  // ascending
  bool is_network_;
  const model::PublicKey& key_;
  bool differs_ = false;
  std::size_t peers_ = 0;                          // that came, and are wanted
  std::size_t allowed_ips_ = 0;                    // of the present peer
  const model::WireguardPeer* present_ = nullptr;  // the last peer that came
};

// Adds what one message of the dump says to `device`; a message may continue the last peer. False when it is malformed.
bool parse_device(const nlmsghdr& message, DeviceState& device);

}  // namespace krait::wireguard
