// The order in which file systems are written: the same tree gives the same bytes. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "krata/image/tree.h"

namespace krata::image {

struct NumberedNode {
  NodeId id = 0;
  NodeId parent = 0;  // of a directory; the root is its own
};

// Every node once, directories after all that is in them, the root last; what is in one directory and no directory
// itself stands together, in the order of names.
std::vector<NumberedNode> bottom_up(const Tree& tree);

// A directory's links: itself, its name, and each directory in it.
std::uint32_t directory_links(const Tree& tree, NodeId id);

}  // namespace krata::image
