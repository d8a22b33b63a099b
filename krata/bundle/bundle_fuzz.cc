// What a reader takes it writes again byte by byte, and it never does worse than refuse. The checksum is made right, so
// that what lies behind it is reached.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/digest.h"
#include "krata/bundle/bundle.h"
#include "krata/bundle/bytes.h"

using namespace krata::bundle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  (void)read_bundle(body);
  std::string disk = "kratabdl";
  append_number(disk, kVersion);
  append_number(disk, static_cast<std::uint32_t>(body.size()));
  append_number(disk, common::Digest::of(body).low);
  append_number(disk, std::uint64_t{0});
  disk += body;
  const auto bundle = read_bundle(disk);
  if (bundle) {
    const auto again = write_bundle(*bundle);
    if (!again || std::string_view(*again).substr(0, disk.size()) != disk) {
      std::abort();
    }
  }
  return 0;
}
