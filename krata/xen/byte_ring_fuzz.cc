// Fuzz target: a page that the other end has filled with any bytes, and goes on writing to. Whatever it holds, no byte
// outside of it is touched, and no more passes than a ring holds.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <tuple>

#include "krata/xen/byte_ring.h"
#include "krata/xen/types.h"
#include "tests/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krata::xen;
  constexpr std::size_t kIndices = 2048;  // where both layouts have their last ones within 1,056 bytes
  // Exactly a page on the heap, so that the sanitizer sees what is outside.
  const std::unique_ptr<std::uint64_t[]> memory(new std::uint64_t[kPageBytes / 8]{});
  const std::span<std::byte> page(reinterpret_cast<std::byte*>(memory.get()), kPageBytes);
  for (const bool is_console : {false, true}) {
    auto ring = is_console ? ByteRing::console(page) : ByteRing::store(page);
    std::string got;
    for (std::size_t at = 0; at + 6 <= size; at += 6) {
      std::size_t place = (is_console ? kIndices + 1024 : kIndices) + std::size_t{data[at]} % 4 * 4;
      std::memcpy(page.data() + place, data + at + 1, 4);
      const auto count = ring.read(got, std::size_t{data[at + 5]} * 16);
      krait::require(!count || *count <= 2048, "no more than a ring holds is read");
      const auto put = ring.write(std::string(std::size_t{data[at + 5]} * 16, 'x'));
      krait::require(!put || *put <= 1024, "no more than a ring holds is written");
      std::ignore = ring.untaken();
    }
  }
  return 0;
}
