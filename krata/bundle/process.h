// A process of a container as the host describes it: its first one, or one of `exec`. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace krata::bundle {

inline constexpr std::size_t kMaxArguments = 4096;
inline constexpr std::size_t kMaxVariables = 4096;
inline constexpr std::size_t kMaxStringBytes = std::size_t{128} << 10U;  // MAX_ARG_STRLEN of the kernel (binfmts.h)
inline constexpr std::size_t kMaxPathBytes = 4095;                       // PATH_MAX less its end

// Size of a terminal in characters, 1 to 65535; 0: the kernel's default.
struct WindowSize {
  std::uint16_t rows = 0;
  std::uint16_t columns = 0;
  bool operator==(const WindowSize&) const = default;
};

// No string holds a nul.
struct Process {
  std::vector<std::string> arguments =
      {};  // at least one, the first not empty; without a slash it is looked for in PATH
  std::vector<std::string> environment = {};  // "NAME=value"; the last of a name counts
  std::string working_directory = "/";        // absolute; made where it is missing
  std::string user = {};                      // "", "NAME", "UID", each with or without ":GROUP" or ":GID"
  bool terminal = false;                      // a terminal of its own, else three pipes
  WindowSize size = {};                       // of the terminal
  bool operator==(const Process&) const = default;
};

// invalid_input, limit.
common::Result<void> check_process(const Process& process);

// As a part of a bundle and of a message.
common::Result<std::string> write_process(const Process& process);
common::Result<Process> read_process(std::string_view bytes);

}  // namespace krata::bundle
