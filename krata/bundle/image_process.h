// What to run of an image: its configuration (image-spec, "OCI Image Configuration", member "config") and what the user
// wants otherwise. Pure; on the host only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krata/bundle/process.h"

namespace krata::bundle {

// What takes the place of the image's own.
struct Overrides {
  std::vector<std::string> command = {};      // instead of Cmd
  std::vector<std::string> environment = {};  // "NAME=value", or "NAME" to take one away
  std::optional<std::string> working_directory = {};
  std::optional<std::string> user = {};
  bool terminal = false;
};

struct ImageProcess {
  Process process;
  std::uint32_t stop_signal = 15;
};

// `config_text` is the image's configuration document. PATH is set where the image has none, TERM with a terminal.
// Errors: invalid_input (no such document, nothing to run, an unknown signal), limit.
common::Result<ImageProcess> image_process(std::string_view config_text, const Overrides& overrides);

// "SIGTERM", "TERM", "15", "RTMIN+3" (as docker's StopSignal), of x86_64 Linux: 1 to 64.
common::Result<std::uint32_t> signal_number(std::string_view name);
// "SIGTERM"; "SIGRTMIN+3"; the number where it has no name.
std::string signal_name(std::uint32_t number);

}  // namespace krata::bundle
