#include "krata/control/view.h"

namespace krata::control {

std::string_view name_of(ZoneState state) {
  switch (state) {
    case ZoneState::preparing:
      return "preparing";
    case ZoneState::starting:
      return "starting";
    case ZoneState::running:
      return "running";
    case ZoneState::stopping:
      return "stopping";
    case ZoneState::restarting:
      return "restarting";
    case ZoneState::ended:
      return "ended";
    case ZoneState::removing:
      break;
  }
  return "removing";
}

ZoneState state_of(const model::ZoneRecord& record, const Progress& progress, bool is_restart_due) {
  if (record.goal == model::Goal::forget) {
    return ZoneState::removing;
  }
  if (record.end && !progress.has_domain) {
    return is_restart_due ? ZoneState::restarting : ZoneState::ended;
  }
  if (record.end || record.heard_end ||
      ((record.goal == model::Goal::stop || progress.is_held) && progress.has_domain)) {
    return ZoneState::stopping;
  }
  if (progress.is_container_running) {
    return ZoneState::running;
  }
  return progress.has_domain ? ZoneState::starting : ZoneState::preparing;
}

}  // namespace krata::control
