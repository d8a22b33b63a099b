// Fuzz target: any bytes as a record of the event buffer, and the clocks at which it is read.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "common/answer.h"
#include "krait/inspect/event_text.h"
#include "tests/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krait;
  struct {
    krait_event event;
    std::int64_t unix_ns;
    std::uint64_t boot_ns;
  } input{};
  std::memcpy(&input, data, std::min(size, sizeof(input)));
  const control::Json names{{"policy", "p.toml"},
                            {"identities", {{{"name", "web"}, {"tag", 1}}}},
                            {"rules", {{{"rule", "r"}, {"number", 0}, {"line", 1}}}}};
  const auto json = inspect::event_json(input.event, inspect::EventNames(names),
                                        {.unix_ns = input.unix_ns, .boot_ns = input.boot_ns});
  require(!inspect::event_text(json).empty(), "an event has a text");
  require(common::parse_json_object(common::json_line(json)).has_value(), "an event is one JSON object");
  return 0;
}
