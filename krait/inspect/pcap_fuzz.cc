// Fuzz target: any bytes as a capture file.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "common/fd.h"
#include "krait/inspect/frame.h"
#include "krait/inspect/pcap.h"
#include "tests/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krait;
  using namespace krait::inspect;
  constexpr std::size_t kMaxFrameBytes = 4096;
  const common::Fd file(::memfd_create("capture", MFD_CLOEXEC));
  require(file.valid() && ::write(file.get(), data, size) == static_cast<ssize_t>(size), "the file is written");
  auto capture = PcapFile::open(fmt::format("/proc/self/fd/{}", file.get()));
  if (!capture) {
    require(capture.error().code() == common::ErrorCode::invalid_input, "a wrong file is invalid input");
    return 0;
  }
  for (;;) {
    const auto packet = capture->next();
    if (!packet || !*packet) {
      return 0;
    }
    const auto frame = frame_of(capture->link_type(), **packet, kMaxFrameBytes);
    require(frame.size() <= kMaxFrameBytes, "a frame lies in its bounds");
    static_cast<void>(source_of(frame));
  }
}
