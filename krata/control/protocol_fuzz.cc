// Fuzz target: any bytes as a request, and as a line of input. What is taken must be the same after one more turn.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "krata/control/protocol.h"
#include "tests/require.h"

using krait::require;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krata::control;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto request = parse_request(text)) {
    const Json json = request_json(*request);
    const auto again = parse_request(json.dump(-1, ' ', true, Json::error_handler_t::replace));
    require(again.has_value(), "what is written can be read");
    require(request_json(*again) ==
                request_json(*parse_request(request_json(*again).dump(-1, ' ', true, Json::error_handler_t::replace))),
            "and stays the same");
  }
  if (const auto input = parse_input(text)) {
    const auto again = parse_input(input_json(*input).dump());
    require(again && again->bytes == input->bytes && again->is_end == input->is_end, "input goes both ways");
  }
  return 0;
}
