// One archive with everything that helps to find a fault, and no private key.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "krait/doctor/gather.h"

namespace krait::doctor {

struct Bundle {
  std::string file;
  std::vector<std::string> members;
  std::vector<std::string> missing;  // what could not be had, and why
};

// "krait-debug-HOST-20260102T030405Z.tar.gz"
std::string bundle_name();

// Gathers and writes `file` with mode 0600, or replaces it. What cannot be had is left out and named in the bundle.
// Blocks on the kernel, on files and on the agent's answers.
common::Result<Bundle> make_bundle(const Where& where, const std::string& file);

}  // namespace krait::doctor
