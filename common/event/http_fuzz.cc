// Fuzz target: any bytes as a request for the metrics page, whole and piece by piece.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/event/http.h"
#include "common/event/stream_server.h"
#include "tests/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krait;
  using namespace common;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto whole = http_status(input);
  require(whole || size < kMaxRequestBytes, "a request without end is answered");
  if (whole) {
    const std::string response = http_response(*whole, "body");
    require(response.starts_with("HTTP/1.1 ") && response.find("\r\n\r\n") != std::string::npos, "a response is one");
  }
  const auto end = input.find("\r\n\r\n");
  if (end < kMaxRequestBytes) {
    require(http_status(input.substr(0, end + 4)) == whole, "what follows a request changes nothing");
    require(!http_status(input.substr(0, end + 3)), "a part of a request is none");
  }
  return 0;
}
