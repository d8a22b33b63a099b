// The terminal that a command runs on.
#pragma once

#include <termios.h>

#include <optional>

#include "krata/control/protocol.h"

namespace krata::cli {

// While it lives, standard input is a terminal that passes every key on (cfmakeraw). Nothing happens where standard
// input is none.
class RawTerminal {
 public:
  RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal();

 private:
  std::optional<termios> before_;
};

// Of the terminal on standard output; zeros where it is none.
control::WindowSize window_size();

}  // namespace krata::cli
