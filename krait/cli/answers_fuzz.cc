// Fuzz target: any bytes as an agent's answer, made into text for people.
#include <cstddef>
#include <cstdint>

#include "common/answer.h"
#include "krait/cli/answers.h"
#include "krait/inspect/event_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krait;
  const auto answer = common::parse_json_object({reinterpret_cast<const char*>(data), size});
  if (answer) {
    static_cast<void>(cli::status_text(*answer));
    static_cast<void>(cli::rules_text(*answer));
    static_cast<void>(cli::reload_text(*answer));
    const inspect::EventNames names(*answer);
    static_cast<void>(inspect::event_text(inspect::event_json({}, names, {})));
  }
  return 0;
}
