#include "krata/image/walk.h"

#include <deque>
#include <utility>

#include "krata/image/limits.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// "." and empty parts left out, ".." kept.
std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") {
      parts.emplace_back(part);
    }
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return parts;
}

Error too_deep() { return {ErrorCode::limit, fmt::format("a path is deeper than {} folders", limits::kDepth)}; }

// The way that was gone so far: names, and the nodes that have them while there are such.
class Way {
 public:
  explicit Way(const Tree& tree) : tree_(tree) {}

  // The symbolic link that `name` is here.
  [[nodiscard]] const Node* link(const std::string& name) const {
    const std::optional<NodeId> here = end();
    const Child* child = here ? tree_.find(*here, name) : nullptr;
    return child != nullptr && tree_.at(child->id).kind == Kind::symlink ? &tree_.at(child->id) : nullptr;
  }
  void enter(std::string name) {
    const std::optional<NodeId> here = end();
    const Child* child = here ? tree_.find(*here, name) : nullptr;
    names_.push_back(std::move(name));
    ids_.push_back(child == nullptr ? std::nullopt : std::optional(child->id));
  }
  void leave() {
    if (!names_.empty()) {
      names_.pop_back();
      ids_.pop_back();
    }
  }
  void restart() {
    names_.clear();
    ids_.clear();
  }
  [[nodiscard]] std::size_t depth() const { return names_.size(); }
  [[nodiscard]] std::optional<NodeId> end() const { return ids_.empty() ? std::optional(kRoot) : ids_.back(); }
  [[nodiscard]] std::vector<std::string> take_names() { return std::move(names_); }

 private:
  const Tree& tree_;
  std::vector<std::string> names_;
  std::vector<std::optional<NodeId>> ids_;
};

}  // namespace

Result<std::vector<std::string>> clean_path(std::string_view path) {
  if (path.size() > limits::kPathBytes) {
    return Error(ErrorCode::limit, fmt::format("the path \"{}\" has {} bytes, more than {}", printable(path),
                                               path.size(), limits::kPathBytes));
  }
  if (path.contains('\0')) {
    return refused("the path \"{}\" has a NUL", printable(path));
  }
  std::vector<std::string> parts;
  for (std::string& part : split(path)) {
    if (part != "..") {
      parts.push_back(std::move(part));
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  return parts;
}

Result<Place> resolve(Tree& tree, const std::vector<std::string>& parts) {
  std::deque<std::string> ahead(parts.begin(), parts.end());
  Way way(tree);
  int hops = 0;
  while (!ahead.empty()) {
    std::string name = std::move(ahead.front());
    ahead.pop_front();
    KRAIT_CHECK(tree.take_steps(1));
    if (name == "..") {
      way.leave();
      continue;
    }
    if (const Node* link = way.link(name)) {
      if (++hops > limits::kLinkHops) {
        return refused("\"{}\" leads through more than {} symbolic links", printable(name), limits::kLinkHops);
      }
      if (link->target.starts_with('/')) {
        way.restart();
      }
      std::vector<std::string> target = split(link->target);
      ahead.insert(ahead.begin(), std::make_move_iterator(target.begin()), std::make_move_iterator(target.end()));
      continue;
    }
    way.enter(std::move(name));
    if (way.depth() > limits::kDepth) {
      return too_deep();
    }
  }
  const std::optional<NodeId> end = way.end();
  return Place{.parts = way.take_names(), .id = end};
}

Result<NodeId> make_folders(Tree& tree, const Place& place, std::uint32_t layer) {
  NodeId here = kRoot;
  for (const std::string& name : place.parts) {
    const Child* child = tree.find(here, name);
    if (child == nullptr) {
      Node folder;
      folder.kind = Kind::directory;
      folder.mode = 0755;
      KRAIT_TRY(auto made, tree.add(here, name, std::move(folder), layer));
      here = made;
      continue;
    }
    const NodeId next = child->id;
    if (tree.at(next).kind != Kind::directory) {
      return refused("\"{}\" is no folder, and something is to lie in it", printable(name));
    }
    tree.mark(here, name, layer);
    here = next;
  }
  return here;
}

}  // namespace krata::image
