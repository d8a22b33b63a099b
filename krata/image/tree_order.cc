#include "krata/image/tree_order.h"

#include <algorithm>

namespace krata::image {

std::vector<NumberedNode> bottom_up(const Tree& tree) {
  // Directories first, each before all that is in it; the reverse is the order wanted.
  std::vector<NumberedNode> directories{{.id = kRoot, .parent = kRoot}};
  for (std::size_t i = 0; i < directories.size(); ++i) {
    const NodeId id = directories[i].id;
    for (const auto& [name, child] : *tree.at(id).children) {
      if (tree.at(child.id).kind == Kind::directory) {
        directories.push_back({.id = child.id, .parent = id});
      }
    }
  }
  std::ranges::reverse(directories);
  std::vector<NumberedNode> order;
  order.reserve(tree.size());
  std::vector<bool> seen(tree.max_nodes());
  for (const NumberedNode& directory : directories) {
    for (const auto& [name, child] : *tree.at(directory.id).children) {
      if (tree.at(child.id).kind != Kind::directory && !seen[child.id]) {
        seen[child.id] = true;
        order.push_back({.id = child.id, .parent = directory.id});
      }
    }
    order.push_back(directory);
  }
  return order;
}

std::uint32_t directory_links(const Tree& tree, NodeId id) {
  std::uint32_t links = 2;
  for (const auto& [name, child] : *tree.at(id).children) {
    links += tree.at(child.id).kind == Kind::directory ? 1 : 0;
  }
  return links;
}

}  // namespace krata::image
