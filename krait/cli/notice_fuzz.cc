// Fuzz target: any bytes as an agent's notice.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "krait/cli/notice.h"
#include "tests/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krait;
  const cli::Notice notice = cli::parse_notice({reinterpret_cast<const char*>(data), size});
  require(std::ranges::none_of(notice.status, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }),
          "no control character in a status");
  return 0;
}
