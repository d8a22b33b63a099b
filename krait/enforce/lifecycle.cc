#include "krait/enforce/lifecycle.h"

#include <fmt/format.h>

namespace krait::enforce {

bool may_follow(control::Stage from, control::Stage to) {
  switch (to) {
    case control::Stage::absent:
      return true;
    case control::Stage::attached:  // at first, and what `krait down --keep-enforcing` leaves
      return from == control::Stage::absent || from == control::Stage::draining;
    case control::Stage::peers_loaded:
      return from == control::Stage::attached;
    case control::Stage::enforcing:
      return from == control::Stage::peers_loaded;
    case control::Stage::draining:
      return from != control::Stage::absent;
  }
  return false;
}

common::Result<void> Lifecycle::go(control::Stage to) {
  if (to != stage_ && !may_follow(stage_, to)) {
    return common::Error(common::ErrorCode::system,
                         fmt::format("{} cannot follow {}", control::stage_name(to), control::stage_name(stage_)));
  }
  stage_ = to;
  return {};
}

}  // namespace krait::enforce
