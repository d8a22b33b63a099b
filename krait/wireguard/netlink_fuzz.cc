// Whatever comes from a netlink socket must be read or refused, never crash: every reader gets every message.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "common/netlink/attributes.h"
#include "common/netlink/network.h"
#include "common/netlink/socket.h"
#include "common/netlink/watch.h"
#include "krait/wireguard/device.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace netlink;
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
    static_cast<void>(parse_address(message));
    if (const auto route = parse_route(message)) {
      static_cast<void>(through_link(*route, kIndex));
    }
    static_cast<void>(parse_device(message, device));
    static_cast<void>(comparison.add(message));
    static_cast<void>(parse_rule(message));
    static_cast<void>(parse_way(message));
    static_cast<void>(parse_qdisc(message));
    static_cast<void>(parse_filter(message, true));
    Noticed noticed;
    note_change(message, "wg0", kIndex, noticed);
    return common::Result<void>{};
  });
  static_cast<void>(read);
  return 0;
}
