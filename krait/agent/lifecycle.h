// Where an interface stands, and the steps that there are: docs/lifecycle.md. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/result.h"

namespace krait::agent {

enum class Stage : std::uint8_t {
  absent,        // there is no interface
  attached,      // krait's programs and the guard are on it, it has no peers, everything is denied
  peers_loaded,  // peers, addresses and routes are there, everything is still denied
  enforcing,     // the policy decides
  draining,      // everything is denied, peers are being taken away
};

std::string_view stage_name(Stage stage);

// Peers never exist before the program does, and nothing is opened up before it was shut. Any stage may fall back to
// absent, since anybody may delete an interface.
bool may_follow(Stage from, Stage to);

class Lifecycle {
 public:
  [[nodiscard]] Stage stage() const { return stage_; }
  // Fails, changing nothing, when there is no such step: a defect of the caller. Staying is no step and always works.
  common::Result<void> go(Stage to);

 private:
  Stage stage_ = Stage::absent;
};

}  // namespace krait::agent
