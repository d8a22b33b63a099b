// Fuzz target: any bytes as a captured packet. The first three bytes are the link type, how much the capture cut, and
// how much room there is.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "krait/inspect/frame.h"
#include "krait/inspect/probe_packet.h"
#include "tests/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krait;
  using namespace krait::inspect;
  if (size < 3) {
    return 0;
  }
  const auto link_type = static_cast<LinkType>(data[0] % 4U);
  // On the heap, of this size: what reads beyond it is found.
  const std::vector<std::uint8_t> packet(data + 3, data + size);
  const std::size_t max_bytes = kEthernetBytes + std::size_t{data[2]} * 40;
  const Captured captured{.bytes = std::as_bytes(std::span(packet)),
                          .original_bytes = packet.size() + std::size_t{data[1]} * 300};
  const auto frame = frame_of(link_type, captured, max_bytes);
  require(frame.size() >= kEthernetBytes && frame.size() <= max_bytes, "a frame lies in its bounds");
  static_cast<void>(source_of(frame));
  static_cast<void>(source_of(captured.bytes));
  return 0;
}
