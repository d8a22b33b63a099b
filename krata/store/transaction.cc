#include "krata/store/transaction.h"

#include <algorithm>

namespace krata::store {

namespace {

std::uint64_t generation_of(const Tree& tree, std::string_view path) {
  const Node* node = tree.find(path);
  return node == nullptr ? 0 : node->generation;
}

SharedPermissions permissions_of(const Tree& tree, std::string_view path) {
  const Node* node = tree.find(path);
  return node == nullptr ? nullptr : node->permissions;
}

}  // namespace

Transaction::Touched& Transaction::touch(std::string_view path) {
  const auto [place, is_new] = places_.try_emplace(std::string(path), touched_.size());
  if (is_new) {
    touched_.push_back({.path = std::string(path), .generation = generation_of(base_, path), .former = {}});
    bytes_ += path.size();
  }
  return touched_[place->second];
}

void Transaction::look_at(std::string_view path) {
  touch(path);
  while (tree_.find(path) == nullptr) {
    path = parent_of(path);
    touch(path);
  }
}

// A node before those below it: events come in this order.
void Transaction::touch_all(const Node& node, const std::string& path) {
  touch(path);
  for (const Node* child : node.children_by_birth()) {
    touch_all(*child, path + "/" + child->name);
  }
}

void Transaction::apply(const Edit& edit) {
  for (const TreeChange& change : edit.changes) {
    if (change.kind == TreeChange::Kind::remove) {
      touch_all(*tree_.find(change.path), change.path);
    }
  }
  for (const NodeEvent& event : edit.events) {
    Touched& touched = touch(event.path);
    const auto kind = event.is_exact ? Touched::Event::exact : Touched::Event::full;
    touched.event = std::max(touched.event, kind);
    if (touched.former == nullptr) {
      touched.former = event.former != nullptr ? event.former : event.permissions;
    }
  }
  for (const TreeChange& change : edit.changes) {
    touch(change.path);
    if (change.kind == TreeChange::Kind::create || change.kind == TreeChange::Kind::remove) {
      touch(parent_of(change.path));
    }
    bytes_ += change.path.size() + change.value.size();
    tree_.apply(change);
    changes_.push_back(change);
  }
}

bool Transaction::conflicts_with(const Tree& now) const {
  return !base_.is_same(now) && std::ranges::any_of(touched_, [&](const Touched& touched) {
    return generation_of(now, touched.path) != touched.generation;
  });
}

// xenstored makes a transaction come true node by node, and tells of each at once: of a parent that comes later it
// still sees the permissions from before.
SharedPermissions Transaction::parent_at(std::size_t place, const Tree& committed) const {
  const std::string_view parent = parent_of(touched_[place].path);
  const auto found = places_.find(std::string(parent));
  return permissions_of(found != places_.end() && found->second > place ? base_ : committed, parent);
}

std::vector<NodeEvent> Transaction::events(const Tree& committed) const {
  std::vector<NodeEvent> events;
  for (std::size_t place = 0; place < touched_.size(); ++place) {
    const Touched& touched = touched_[place];
    const bool is_there = committed.find(touched.path) != nullptr;
    const bool came_and_went = touched.generation == 0 && !is_there;
    if (touched.event != Touched::Event::none && !came_and_went) {
      // Of a node that is gone only those are told who could read it.
      events.push_back({.path = touched.path,
                        .is_exact = touched.event == Touched::Event::exact,
                        .permissions = permissions_of(committed, touched.path),
                        .former = touched.former,
                        .parent = is_there ? parent_at(place, committed) : nullptr});
    }
  }
  return events;
}

}  // namespace krata::store
