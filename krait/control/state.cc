#include "krait/control/state.h"

namespace krait::control {

std::string_view stage_name(Stage stage) {
  switch (stage) {
    case Stage::absent:
      return "absent";
    case Stage::attached:
      return "attached";
    case Stage::enforcing:
      return "enforcing";
  }
  return "";
}

}  // namespace krait::control
