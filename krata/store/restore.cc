// The store's state as changes, and back.
#include <algorithm>

#include "krata/store/store.h"

namespace krata::store {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

void save_below(const Node& node, const std::string& path, Changes& changes) {
  changes.emplace_back(
      SavedNode{.path = path, .value = node.value, .permissions = node.permissions, .generation = node.generation});
  for (const Node* child : node.children_by_birth()) {
    save_below(*child, (path == "/" ? "/" : path + "/") + child->name, changes);
  }
}

// What a change says must be a path that a request could have named.
bool is_path(const std::string& path) {
  const auto same = absolute_path(path, 0);
  return same && *same == path;
}

}  // namespace

Changes Store::saved() const {
  Changes changes;
  save_below(tree_.root(), "/", changes);
  changes.emplace_back(SavedGeneration{.generation = tree_.generation()});
  changes.emplace_back(SpecialPermissions{.special = Special::introduce_domain, .permissions = introduce_permissions_});
  changes.emplace_back(SpecialPermissions{.special = Special::release_domain, .permissions = release_permissions_});
  for (const auto& [domain, details] : domains_) {
    changes.emplace_back(DomainIntroduced{.domain = domain, .page = details.page, .port = details.port});
    changes.emplace_back(DomainShutDown{.domain = domain, .is_down = details.is_shut_down});
    save_streams(domain, details.streams, changes);
  }
  for (const auto& [domain, details] : domains_) {
    const Connection& connection = connections_.at(domain);
    if (connection.actor.target) {
      changes.emplace_back(DomainTargeted{.domain = domain, .target = *connection.actor.target});
    }
    for (const auto& [id, transaction] : connection.transactions) {
      changes.emplace_back(TransactionOpened{.connection = domain, .id = id});
    }
  }
  for (const Watch* watch : watches_.all()) {
    if (outlives_process(watch->connection)) {
      changes.emplace_back(WatchSet{.watch = *watch});
    }
  }
  return changes;
}

Result<void> Store::restore(const Change& change) {
  if (!std::visit([this](const auto& kind) { return take(kind); }, change)) {
    return Error(ErrorCode::invalid_input, "a change that does not fit what was before it");
  }
  return {};
}

bool Store::take(const TreeChange& change) {
  const bool needs_permissions =
      change.kind == TreeChange::Kind::create || change.kind == TreeChange::Kind::set_permissions;
  if (!is_path(change.path) || (needs_permissions && change.permissions == nullptr)) {
    return false;
  }
  const bool is_there = tree_.find(change.path) != nullptr;
  if (change.kind == TreeChange::Kind::create ? is_there || tree_.find(parent_of(change.path)) == nullptr : !is_there) {
    return false;
  }
  if (change.kind == TreeChange::Kind::remove && change.path == "/") {
    return false;
  }
  tree_.apply(change);
  return true;
}

bool Store::take(const SavedNode& node) {
  if (node.permissions == nullptr) {
    return false;
  }
  bool fits = true;
  if (node.path == "/") {
    tree_.restore_root(node.value, node.permissions);
  } else {
    fits = take(TreeChange{.path = node.path, .value = node.value, .permissions = node.permissions});
  }
  if (fits) {
    saved_generations_.emplace_back(node.path, node.generation);
  }
  return fits;
}

// Only now: each node that was made has changed the one above.
bool Store::take(const SavedGeneration& saved) {
  for (const auto& [path, generation] : saved_generations_) {
    tree_.restore_node_generation(path, generation);
  }
  saved_generations_ = {};
  // Each node has taken a generation to make, so those of its siblings to come will be greater than any now.
  if (saved.generation < tree_.generation()) {
    return false;
  }
  tree_.restore_generation(saved.generation);
  return true;
}

bool Store::take(const SpecialPermissions& special) {
  if (special.permissions.empty()) {
    return false;
  }
  (special.special == Special::introduce_domain ? introduce_permissions_ : release_permissions_) = special.permissions;
  return true;
}

bool Store::take(const DomainIntroduced& introduced) {
  if (introduced.domain > kMaxDomainId) {
    return false;
  }
  Domain& domain = domains_[introduced.domain];
  domain.page = introduced.page;
  domain.port = introduced.port;
  connections_[introduced.domain].actor.domain = introduced.domain;
  return true;
}

bool Store::take(const DomainForgotten& forgotten) {
  end_all_of(forgotten.domain);
  connections_.erase(forgotten.domain);
  for (auto& [id, connection] : connections_) {
    if (connection.actor.target == forgotten.domain) {
      connection.actor.target.reset();
    }
  }
  for (Permissions* permissions : {&introduce_permissions_, &release_permissions_}) {
    if (permissions->front().domain == forgotten.domain) {
      permissions->front().domain = 0;
    }
    permissions->erase(std::remove_if(permissions->begin() + 1, permissions->end(),
                                      [&](const Permission& entry) { return entry.domain == forgotten.domain; }),
                       permissions->end());
  }
  return domains_.erase(forgotten.domain) == 1;
}

bool Store::take(const DomainTargeted& targeted) {
  const auto found = connections_.find(targeted.domain);
  if (found == connections_.end() || !is_introduced(targeted.target)) {
    return false;
  }
  found->second.actor.target = targeted.target;
  return true;
}

bool Store::take(const DomainShutDown& shut_down) {
  const auto found = domains_.find(shut_down.domain);
  if (found == domains_.end()) {
    return false;
  }
  found->second.is_shut_down = shut_down.is_down;
  return true;
}

bool Store::take(const WatchSet& set) {
  const Watch& watch = set.watch;
  return connections_.contains(watch.connection) && watch.path.ends_with(watch.given) && watches_.add(watch);
}

bool Store::take(const WatchGone& gone) { return watches_.remove(gone.connection, gone.path, gone.token); }

bool Store::take(const WatchesGone& gone) {
  end_all_of(gone.connection);
  return true;
}

bool Store::take(const TransactionOpened& opened) {
  const auto found = connections_.find(opened.connection);
  if (found == connections_.end() || !found->second.transactions.emplace(opened.id, std::nullopt).second) {
    return false;
  }
  found->second.last_transaction = std::max(found->second.last_transaction, opened.id);
  zone_transactions_ += found->second.actor.is_privileged() ? 0 : 1;
  return true;
}

bool Store::take(const TransactionClosed& closed) {
  const auto found = connections_.find(closed.connection);
  if (found == connections_.end() || found->second.transactions.erase(closed.id) == 0) {
    return false;
  }
  zone_transactions_ -= found->second.actor.is_privileged() ? 0 : 1;
  return true;
}

}  // namespace krata::store
