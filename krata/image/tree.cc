#include "krata/image/tree.h"

#include <utility>

#include "krata/image/limits.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::uint16_t kFolderMode = 0755;

}  // namespace

Tree::Tree() {
  Node& root = nodes_.emplace_back();
  root.kind = Kind::directory;
  root.mode = kFolderMode;
  root.links = 1;
  root.children = std::make_unique<Children>();
}

const Child* Tree::find(NodeId directory, std::string_view name) const {
  const Node& node = nodes_[directory];
  if (!node.children) {
    return nullptr;
  }
  const auto found = node.children->find(name);
  return found == node.children->end() ? nullptr : &found->second;
}

std::size_t Tree::text_of(const Node& node) {
  std::size_t bytes = node.target.size();
  if (node.xattrs) {
    for (const auto& [name, value] : *node.xattrs) {
      bytes += name.size() + value.size();
    }
  }
  return bytes;
}

Result<void> Tree::spend(std::size_t text_bytes) {
  if (text_bytes_ + text_bytes > limits::kTextBytes) {
    return Error(ErrorCode::limit, fmt::format("the image's names, link targets and attributes are more than {} bytes",
                                               limits::kTextBytes));
  }
  text_bytes_ += text_bytes;
  return {};
}

Result<void> Tree::check_name(std::string_view name) const {
  if (name.empty() || name == "." || name == ".." || name.contains('/') || name.contains('\0')) {
    return refused("\"{}\" is no file's name", printable(name));
  }
  if (name.size() > limits::kNameBytes) {
    return Error(ErrorCode::limit, fmt::format("the name \"{}\" has {} bytes, more than {}", printable(name),
                                               name.size(), limits::kNameBytes));
  }
  return {};
}

Result<NodeId> Tree::add(NodeId directory, std::string_view name, Node node, std::uint32_t layer) {
  if (size() >= limits::kNodes) {
    return Error(ErrorCode::limit, fmt::format("the image has more than {} files and folders", limits::kNodes));
  }
  KRAIT_CHECK(check_name(name));
  KRAIT_CHECK(spend(name.size() + text_of(node)));
  node.links = 1;
  if (node.kind == Kind::directory) {
    node.children = std::make_unique<Children>();
  }
  NodeId id = static_cast<NodeId>(nodes_.size());
  if (free_.empty()) {
    nodes_.push_back(std::move(node));
  } else {
    id = free_.back();
    free_.pop_back();
    nodes_[id] = std::move(node);
  }
  nodes_[directory].children->emplace(name, Child{.id = id, .layer = layer});
  return id;
}

Result<void> Tree::link(NodeId directory, std::string_view name, NodeId id, std::uint32_t layer) {
  KRAIT_CHECK(check_name(name));
  KRAIT_CHECK(spend(name.size()));
  ++nodes_[id].links;
  nodes_[directory].children->emplace(name, Child{.id = id, .layer = layer});
  return {};
}

void Tree::release(NodeId id) {
  Node& node = nodes_[id];
  if (--node.links == 0) {
    text_bytes_ -= text_of(node);
    node = Node{};
    free_.push_back(id);
  }
}

void Tree::remove_child(Children& siblings, Children::iterator child) {
  std::vector<NodeId> doomed{child->second.id};
  text_bytes_ -= child->first.size();
  siblings.erase(child);
  while (!doomed.empty()) {
    const NodeId id = doomed.back();
    doomed.pop_back();
    if (nodes_[id].children) {
      for (const auto& [name, below] : *nodes_[id].children) {
        text_bytes_ -= name.size();
        doomed.push_back(below.id);
      }
    }
    release(id);
  }
}

void Tree::remove(NodeId directory, std::string_view name) {
  Children& siblings = *nodes_[directory].children;
  if (const auto found = siblings.find(name); found != siblings.end()) {
    remove_child(siblings, found);
  }
}

Result<void> Tree::take_steps(std::size_t steps) {
  steps_ += steps;
  if (steps_ > limits::kSteps) {
    return Error(ErrorCode::limit,
                 "the image's links and whiteouts lead through its tree for longer than any real one's");
  }
  return {};
}

Result<void> Tree::remove_older(NodeId directory, std::string_view name, std::uint32_t layer) {
  const Child* child = find(directory, name);
  if (child == nullptr) {
    return {};
  }
  if (child->layer != layer) {
    remove(directory, name);
    return {};
  }
  return nodes_[child->id].children ? remove_older_children(child->id, layer) : Result<void>();
}

Result<void> Tree::remove_older_children(NodeId directory, std::uint32_t layer) {
  std::vector<NodeId> open{directory};
  while (!open.empty()) {
    Children& children = *nodes_[open.back()].children;
    open.pop_back();
    KRAIT_CHECK(take_steps(children.size() + 1));
    for (auto child = children.begin(); child != children.end();) {
      const auto here = child++;
      if (here->second.layer != layer) {
        remove_child(children, here);
      } else if (nodes_[here->second.id].children) {
        open.push_back(here->second.id);
      }
    }
  }
  return {};
}

void Tree::mark(NodeId directory, std::string_view name, std::uint32_t layer) {
  Children& children = *nodes_[directory].children;
  if (const auto found = children.find(name); found != children.end()) {
    found->second.layer = layer;
  }
}

Result<void> Tree::restat(NodeId id, const Node& like) {
  Node& node = nodes_[id];
  const std::size_t before = text_of(node) - node.target.size();
  KRAIT_CHECK(spend(text_of(like)));
  text_bytes_ -= before;
  node.mode = like.mode;
  node.uid = like.uid;
  node.gid = like.gid;
  node.mtime_s = like.mtime_s;
  node.mtime_ns = like.mtime_ns;
  node.xattrs = like.xattrs;
  return {};
}

}  // namespace krata::image
