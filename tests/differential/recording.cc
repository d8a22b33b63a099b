#include "tests/differential/recording.h"

#include "krait/datapath/packet_runner.h"
#include "krait/inspect/frame.h"
#include "krait/inspect/pcap.h"

namespace krait::differential {

common::Result<std::vector<packets::Bytes>> load_recording() {
  KRAIT_TRY(auto file, inspect::PcapFile::open(KRAIT_RECORDING));
  std::vector<packets::Bytes> frames;
  for (;;) {
    KRAIT_TRY(auto packet, file.next());
    if (!packet) {
      return frames;
    }
    frames.push_back(inspect::frame_of(file.link_type(), *packet, datapath::PacketRunner::max_frame_bytes()));
  }
}

}  // namespace krait::differential
