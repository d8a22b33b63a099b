// Whatever comes from a netlink socket must be read or refused, never crash: every reader gets every message.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "krait/wireguard/attributes.h"
#include "krait/wireguard/device.h"
#include "krait/wireguard/link.h"
#include "krait/wireguard/netlink.h"
#include "krait/wireguard/network.h"
#include "krait/wireguard/watch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krait::wireguard;
  // Aligned, as for_each_message demands.
  std::vector<std::uint32_t> aligned((size + 3) / 4);
  if (size != 0) {
    std::memcpy(aligned.data(), data, size);
  }
  constexpr std::uint32_t kIndex = 2;
  DeviceState device;
  static const krait::model::WireguardImage kImage{
      .interface = {}, .listen_port = 0, .addresses = {}, .routes = {}, .peers = {{{}, {}, {{}}}}};
  static const krait::model::PublicKey kKey{};
  DeviceComparison comparison(kImage, kKey);
  const auto read = for_each_message(std::as_bytes(std::span(aligned)).first(size), [&](const nlmsghdr& message) {
    static_cast<void>(parse_acknowledgement(message));
    static_cast<void>(parse_link(message));
    static_cast<void>(parse_address(message, kIndex));
    static_cast<void>(parse_route(message, kIndex));
    static_cast<void>(parse_device(message, device));
    static_cast<void>(comparison.add(message));
    static_cast<void>(parse_network_link(message));
    static_cast<void>(parse_network_address(message));
    static_cast<void>(parse_network_route(message));
    static_cast<void>(parse_routing_rule(message));
    static_cast<void>(parse_way(message));
    static_cast<void>(parse_qdisc(message));
    static_cast<void>(parse_filter(message, true));
    static_cast<void>(parse_filter(message, kIndex));
    Noticed noticed;
    note_change(message, "wg0", kIndex, noticed);
    return common::Result<void>{};
  });
  static_cast<void>(read);
  return 0;
}
