#include "krait/agent/lifecycle.h"

#include <fmt/format.h>

namespace krait::agent {

std::string_view stage_name(Stage stage) {
  switch (stage) {
    case Stage::absent:
      return "absent";
    case Stage::attached:
      return "attached";
    case Stage::peers_loaded:
      return "peers_loaded";
    case Stage::enforcing:
      return "enforcing";
    case Stage::draining:
      return "draining";
  }
  return "";
}

bool may_follow(Stage from, Stage to) {
  switch (to) {
    case Stage::absent:
      return true;
    case Stage::attached:  // at first, and what `krait down --keep-enforcing` leaves
      return from == Stage::absent || from == Stage::draining;
    case Stage::peers_loaded:
      return from == Stage::attached;
    case Stage::enforcing:
      return from == Stage::peers_loaded;
    case Stage::draining:
      return from != Stage::absent;
  }
  return false;
}

common::Result<void> Lifecycle::go(Stage to) {
  if (to != stage_ && !may_follow(stage_, to)) {
    return common::Error(common::ErrorCode::system,
                         fmt::format("{} cannot follow {}", stage_name(to), stage_name(stage_)));
  }
  stage_ = to;
  return {};
}

}  // namespace krait::agent
