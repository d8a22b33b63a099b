#include "krata/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace krata::cli {

RawTerminal::RawTerminal() {
  termios now{};
  if (::isatty(STDIN_FILENO) == 1 && ::tcgetattr(STDIN_FILENO, &now) == 0) {
    before_ = now;
    ::cfmakeraw(&now);
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &now);
  }
}

RawTerminal::~RawTerminal() {
  if (before_) {
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &*before_);
  }
}

control::WindowSize window_size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) {
    return {};
  }
  return {.rows = size.ws_row, .columns = size.ws_col};
}

}  // namespace krata::cli
