// Fuzz target: any bytes as what libnftables says of the host's rules, and what becomes of packets by them.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "krait/doctor/dropped_by.h"
#include "tests/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krait;
  const auto ruleset = doctor::parse_ruleset({reinterpret_cast<const char*>(data), size});
  if (!ruleset) {
    require(ruleset.error().code() == common::ErrorCode::invalid_input, "what is none is refused as such");
    return 0;
  }
  const doctor::Packet udp{.family = common::Family::v4,
                           .protocol = 17,
                           .port = 51820,
                           .icmp_type = {},
                           .source = common::Ip::parse("192.0.2.1"),
                           .destination = common::Ip::parse("192.0.2.2"),
                           .in = "eth0",
                           .out = {}};
  const doctor::Packet echo{.family = common::Family::v6,
                            .protocol = 58,
                            .port = {},
                            .icmp_type = 128,
                            .source = common::Ip::parse("fd90::1"),
                            .destination = {},
                            .in = "wg0",
                            .out = "eth0"};
  for (const std::string_view hook : {"input", "forward", "output"}) {
    for (const doctor::Packet& packet : {udp, echo}) {
      const doctor::Chain* chain = doctor::dropped_by(*ruleset, packet, hook);
      require(chain == nullptr || !chain->hook.empty(), "what drops is a base chain");
    }
  }
  return 0;
}
