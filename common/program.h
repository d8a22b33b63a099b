// Another program, run to its end.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"

namespace common {

// `words`: the program, which is looked for in PATH where it has no slash, and its arguments; no shell is between. It
// has nothing to read, and what it prints goes to this process's standard error: standard output is for the answer.
// Blocks until it has ended. Its exit code, or 128 + the signal that ended it; fails where it cannot be started.
Result<int> run_program(const std::vector<std::string>& words);

// The folder that this program lies in; empty where /proc does not tell.
std::string own_folder();

// Becomes another program of `suite` (krait, krata), with these words, null at their end: it lies beside this one or in
// ../libexec/SUITE. Comes back only where that fails, with why.
Error become_program(const std::string& program, const std::string& suite, const char* const* argv);

}  // namespace common
