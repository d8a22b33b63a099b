// Real packets for random stories.
#pragma once

#include <vector>

#include "common/result.h"
#include "tests/packets/packet.h"

namespace krait::differential {

// Frames in the order in which they were captured, of tests/recordings/real.pcap. What the capture cut off is zero.
common::Result<std::vector<packets::Bytes>> load_recording();

}  // namespace krait::differential
