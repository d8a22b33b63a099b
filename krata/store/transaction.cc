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

void Transaction::look_at(std::string_view path) { touch(path); }

void Transaction::apply(const Edit& edit) {
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

std::vector<NodeEvent> Transaction::events(const Tree& committed) const {
  std::vector<NodeEvent> events;
  for (const Touched& touched : touched_) {
    if (touched.event != Touched::Event::none) {
      events.push_back({.path = touched.path,
                        .is_exact = touched.event == Touched::Event::exact,
                        .permissions = permissions_of(committed, touched.path),
                        .former = touched.former,
                        .parent = committed.nearest(parent_of(touched.path)).permissions});
    }
  }
  return events;
}

}  // namespace krata::store
