// The file systems that kratad has packed of images, and which of them no zone needs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"

namespace krata::cli {

struct Unneeded {
  std::vector<std::string> names{};
  std::string because_of{};  // the zone for whose sake none may go; empty: there is none
};
// Which of the folder's files may go. `zones`: as kratad tells of them. While one of them is prepared all stay, for
// nobody knows yet which is its own. Pure.
Unneeded unneeded_roots(const std::vector<std::string>& names, const common::Json& zones);

struct PrunedRoots {
  std::uint64_t files = 0;
  std::uint64_t freed_bytes = 0;
  std::string because_of{};  // as above
};

// Of the folder beside the store of images. One that a zone is launched with meanwhile is packed again. Fails with
// unavailable where kratad, which alone knows what is needed, does not answer.
common::Result<PrunedRoots> prune_roots(const std::string& folder, const std::string& socket);

}  // namespace krata::cli
