// The steps that there are between the stages of an interface: docs/lifecycle.md. Pure.
#pragma once

#include "common/result.h"
#include "krait/control/state.h"

namespace krait::enforce {

// Peers never exist before the program does, and nothing is opened up before it was shut. Any stage may fall back to
// absent, since anybody may delete an interface.
bool may_follow(control::Stage from, control::Stage to);

class Lifecycle {
 public:
  [[nodiscard]] control::Stage stage() const { return stage_; }
  // Fails, changing nothing, when there is no such step: a defect of the caller. Staying is no step and always works.
  common::Result<void> go(control::Stage to);

 private:
  control::Stage stage_ = control::Stage::absent;
};

}  // namespace krait::enforce
