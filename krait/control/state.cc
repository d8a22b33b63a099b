#include "krait/control/state.h"

namespace krait::control {

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

}  // namespace krait::control
