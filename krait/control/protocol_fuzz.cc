// Fuzz target: any bytes as a line of the control socket, a request to the agent or an answer to a client.
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/answer.h"
#include "krait/control/protocol.h"
#include "tests/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krait;
  using namespace krait::control;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const auto request = parse_request(line);
  require(request || request.error().code() == common::ErrorCode::invalid_input, "a wrong request is invalid input");
  if (request) {
    std::string again = request_line(*request);
    again.pop_back();
    const auto read = parse_request(again);
    require(read && *read == *request, "a request reads as it was written");
  }
  const auto json = common::parse_json_object(line);
  if (json) {
    const common::Error error = common::error_from_json(*json);
    const common::Error again = common::error_from_json(common::error_json(error));
    require(again.code() == error.code() && again.diagnostics().size() == error.diagnostics().size(),
            "an error reads as it was written");
    const std::string text = common::json_line(*json);
    require(text.find('\n') == text.size() - 1, "an answer is one line");
  }
  return 0;
}
