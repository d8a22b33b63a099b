// Paths of strangers within a tree. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krata/image/tree.h"

namespace krata::image {

// A path as its parts: "." and empty ones left out, ".." taken by the words alone and never above the root, so that
// "/../a" and "a" are the same. Fails with limit (limits::kPathBytes) and invalid_input (a NUL).
common::Result<std::vector<std::string>> clean_path(std::string_view path);

// Where the folder `parts` is once every symbolic link in it is followed, each as if the tree were all there is: an
// absolute target begins at the tree's root, and ".." ends there. Parts behind the first that does not exist are taken
// as they are.
struct Place {
  std::vector<std::string> parts;
  std::optional<NodeId> id;  // nothing: there is no such folder (yet)
};

// Errors: invalid_input (too many links), limit (deeper than limits::kDepth).
common::Result<Place> resolve(Tree& tree, const std::vector<std::string>& parts);

// The folder at `place`, made with all that is missing above it (mode 0755, root's), and every folder on the way marked
// as `layer`'s. Fails with invalid_input where one is something else.
common::Result<NodeId> make_folders(Tree& tree, const Place& place, std::uint32_t layer);

}  // namespace krata::image
