#include "tests/differential/recording.h"

#include "krait/datapath/packet_runner.h"
#include "krait/inspect/frame.h"
#include "krait/inspect/pcap.h"

namespace krait::differential {

common::Result<std::vector<packets::Bytes>> load_recording() {
  auto file = inspect::PcapFile::open(KRAIT_RECORDING);
  if (!file) {
    return std::move(file.error());
  }
  std::vector<packets::Bytes> frames;
  for (;;) {
    auto packet = file->next();
    if (!packet) {
      return std::move(packet.error());
    }
    if (!*packet) {
      return frames;
    }
    frames.push_back(inspect::frame_of(file->link_type(), **packet, datapath::PacketRunner::max_frame_bytes()));
  }
}

}  // namespace krait::differential
