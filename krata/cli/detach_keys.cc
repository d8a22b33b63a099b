#include "krata/cli/detach_keys.h"

namespace krata::cli {

namespace {

constexpr char kFirst = '\x10';   // Ctrl-P
constexpr char kSecond = '\x11';  // Ctrl-Q

}  // namespace

DetachKeys::Typed DetachKeys::take(std::string_view keys) {
  Typed typed;
  for (const char key : keys) {
    if (has_first_ && key == kSecond) {
      typed.detaches = true;
      return typed;
    }
    if (has_first_) {
      typed.text += kFirst;
    }
    has_first_ = key == kFirst;
    if (!has_first_) {
      typed.text += key;
    }
  }
  return typed;
}

}  // namespace krata::cli
