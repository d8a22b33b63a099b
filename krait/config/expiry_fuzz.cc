// Fuzz target: any bytes as a rule's `expires`.
#include <cstddef>
#include <cstdint>

#include "krait/config/expiry.h"
#include "tests/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krait;
  const auto expiry = config::read_expiry({reinterpret_cast<const char*>(data), size});
  if (!expiry) {
    require(!expiry.error().message.empty(), "a refusal says why");
    return 0;
  }
  const std::int64_t seconds = expiry->seconds;
  if (expiry->kind == model::Expiry::Kind::after) {
    require(seconds >= 1 && seconds <= config::kMaxDurationSeconds, "a duration lies in its range");
  } else {
    require(seconds >= 0 && seconds <= config::kMaxExpirySeconds, "a moment lies in its range");
  }
  return 0;
}
