// From a captured packet to the frame that BPF_PROG_TEST_RUN can present. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "common/ip.h"
#include "krait/inspect/pcap.h"

namespace krait::inspect {

// An Ethernet frame of at most `max_bytes`. A packet that the capture cut behind its headers gets its payload back as
// zeros; one that is longer than max_bytes (GRO makes such) loses payload and its length fields say so. What is cut
// inside its headers, or whose length fields were wrong on the wire, stays exactly so.
std::vector<std::byte> frame_of(LinkType link_type, const Captured& packet, std::size_t max_bytes);

// The source address of a frame, when it is IP and long enough to have one.
std::optional<common::Ip> source_of(std::span<const std::byte> frame);

}  // namespace krait::inspect
