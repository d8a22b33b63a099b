// A random story: policies, and packets, pauses and policy changes one after the other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "krait/abi/maps.h"
#include "tests/differential/random_policy.h"
#include "tests/differential/random_routing.h"
#include "tests/model/naive.h"
#include "tests/packets/packet.h"

namespace krait::differential {

// One thing that happens. Exactly one of the three kinds.
struct Step {
  enum class Kind : std::uint8_t { packet, pause, publish };
  Kind kind = Kind::packet;
  packets::Bytes frame;
  krait_direction direction = KRAIT_INGRESS;
  std::uint32_t came_in = 0;  // as naive::Origin
  std::uint64_t seconds = 0;
  std::size_t revision = 0;  // index into Case::revisions

  [[nodiscard]] std::string text() const;
};

struct Case {
  std::vector<Revision> revisions;  // the first is published before the first step
  std::vector<Step> steps;
  naive::Routing routing;

  [[nodiscard]] std::string text() const;  // all that is needed to do it again by hand
};

// The same seed and the same flow table give the same case. Of the table depends which flows some stories bring into
// one bucket. With a recording, some stories are a part of it.
Case random_case(std::uint64_t seed, const naive::FlowTable& table, const std::vector<packets::Bytes>& recording = {});

}  // namespace krait::differential
