// A message from anybody.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "krait/wire/message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto message = krait::wire::decode(bytes);
  if (!message) {
    return 0;
  }
  // What was read is within the bounds, so it can be said again, and means the same.
  const auto again = krait::wire::decode(krait::wire::encode(*message));
  if (!again || *again != *message) {
    std::abort();
  }
  return 0;
}
