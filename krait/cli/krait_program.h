// For tests: runs the program `krait` itself.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "krait/control/protocol.h"

namespace krait::cli {

struct Ran {
  int exit_code = -1;
  std::string out;  // standard output
  std::string err;
  [[nodiscard]] control::Json json() const;  // throws, with what was printed, unless that is one object
};

// The text of a descriptor from where it stands to its end; throws where it cannot be read.
std::string text_to_end(int fd);

// Runs the program at `path` with these arguments and waits for it; as another user when `user` is not 0.
Ran run_program(const std::string& path, std::vector<std::string> arguments, uid_t user);

// `krait` itself.
Ran krait_program(std::vector<std::string> arguments, uid_t user = 0);

}  // namespace krait::cli
