#include "krata/store/edit.h"

#include <algorithm>
#include <ranges>

#include "common/result.h"

namespace krata::store {

namespace {

// xenstored's record of a node: a head of 24 bytes, 8 for each entry of the permissions.
constexpr std::size_t kNodeHeadBytes = 24;
constexpr std::size_t kPermissionBytes = 8;

std::string below(std::string_view parent, std::string_view name) {
  return std::string(parent == "/" ? "" : parent).append("/").append(name);
}

bool is_too_large(const View& view, std::size_t bytes) {
  return !view.actor.is_privileged() && bytes >= view.quota.node_size;
}

SharedPermissions parent_permissions(const Tree& tree, std::string_view path) {
  return tree.nearest(parent_of(path)).permissions;
}

// A new node has the permissions of the one above, but belongs to the domain that makes it.
SharedPermissions inherited(const Node& parent, const Actor& actor) {
  if (actor.is_privileged() || parent.permissions->front().domain == actor.domain) {
    return parent.permissions;
  }
  Permissions permissions = *parent.permissions;
  permissions.front().domain = actor.domain;
  return std::make_shared<const Permissions>(std::move(permissions));
}

// The node and those missing above it; `permitted` has let it pass.
Answer<Edit> plan_create(const View& view, const std::string& path, std::string_view value) {
  const Node& parent = view.tree.nearest(path);
  const SharedPermissions permissions = inherited(parent, view.actor);
  Edit edit;
  for (std::string_view missing = path; view.tree.find(missing) == nullptr; missing = parent_of(missing)) {
    edit.changes.push_back({.path = std::string(missing), .value = {}, .permissions = permissions});
  }
  edit.changes.front().value = value;
  std::ranges::reverse(edit.changes);
  if (!view.actor.is_privileged() && view.tree.nodes_of(view.actor.domain) + edit.changes.size() > view.quota.nodes) {
    return std::unexpected(Refusal::enospc);
  }
  const std::size_t head = kNodeHeadBytes + permissions->size() * kPermissionBytes;
  std::size_t above = size_of(parent);
  for (const TreeChange& change : edit.changes) {
    if (is_too_large(view, above + leaf_of(change.path).size() + 1)) {
      return std::unexpected(Refusal::enospc);
    }
    above = head + change.value.size();
  }
  if (is_too_large(view, above)) {
    return std::unexpected(Refusal::enospc);
  }
  edit.events.push_back({.path = path,
                         .permissions = permissions,
                         .former = {},
                         .parent = edit.changes.size() > 1 ? permissions : parent.permissions});
  return edit;
}

// Events of all nodes below `node`, which goes: the deepest first.
void add_exact_events(const Node& node, const std::string& path, std::vector<NodeEvent>& events) {
  for (const Node* child : node.children_by_birth()) {
    const std::string child_path = below(path, child->name);
    add_exact_events(*child, child_path, events);
    events.push_back({.path = child_path,
                      .is_exact = true,
                      .permissions = child->permissions,
                      .former = {},
                      .parent = node.permissions});
  }
}

void add_removal(const Tree& tree, const Node& node, const std::string& path, Edit& edit) {
  add_exact_events(node, path, edit.events);
  edit.events.push_back(
      {.path = path, .permissions = node.permissions, .former = {}, .parent = parent_permissions(tree, path)});
  edit.changes.push_back({.kind = TreeChange::Kind::remove, .path = path, .value = {}, .permissions = {}});
}

}  // namespace

Answer<const Node*> permitted(const View& view, std::string_view path, Access access) {
  const Node* node = view.tree.find(path);
  const Node& judged = node != nullptr ? *node : view.tree.nearest(path);
  if (!allows(*judged.permissions, view.actor, access)) {
    return std::unexpected(Refusal::eacces);
  }
  return node != nullptr ? Answer<const Node*>(node) : std::unexpected(Refusal::enoent);
}

std::size_t size_of(const Node& node) {
  return kNodeHeadBytes + node.permissions->size() * kPermissionBytes + node.value.size() + node.listing_bytes;
}

Answer<Edit> plan_write(const View& view, const std::string& path, std::string_view value) {
  const auto node = permitted(view, path, Access::write);
  if (!node) {
    return node.error() == Refusal::enoent ? plan_create(view, path, value) : std::unexpected(node.error());
  }
  if (is_too_large(view, size_of(**node) - (*node)->value.size() + value.size())) {
    return std::unexpected(Refusal::enospc);
  }
  Edit edit;
  edit.changes.push_back(
      {.kind = TreeChange::Kind::write, .path = path, .value = std::string(value), .permissions = {}});
  edit.events.push_back(
      {.path = path, .permissions = (*node)->permissions, .former = {}, .parent = parent_permissions(view.tree, path)});
  return edit;
}

Answer<Edit> plan_mkdir(const View& view, const std::string& path) {
  const auto node = permitted(view, path, Access::write);
  if (node) {
    return Edit{};
  }
  return node.error() == Refusal::enoent ? plan_create(view, path, "") : std::unexpected(node.error());
}

Answer<Edit> plan_remove(const View& view, const std::string& path) {
  const auto node = permitted(view, path, Access::write);
  if (!node) {
    const bool is_gone = node.error() == Refusal::enoent && view.tree.find(parent_of(path)) != nullptr;
    return is_gone ? Answer<Edit>(Edit{}) : std::unexpected(node.error());
  }
  if (path == "/") {
    return std::unexpected(Refusal::einval);
  }
  Edit edit;
  add_removal(view.tree, **node, path, edit);
  return edit;
}

Answer<Edit> plan_set_permissions(const View& view, const std::string& path, Permissions permissions) {
  if (!view.actor.is_privileged() && permissions.size() > view.quota.permissions) {
    return std::unexpected(Refusal::enospc);
  }
  KRAIT_TRY(const auto node, permitted(view, path, Access::write));
  const SharedPermissions former = node->permissions;
  if (!owns(*former, view.actor)) {
    return std::unexpected(Refusal::eacces);
  }
  if (!view.actor.is_privileged() && permissions.front().domain != former->front().domain) {
    return std::unexpected(Refusal::eperm);
  }
  const std::size_t bytes = size_of(*node) + permissions.size() * kPermissionBytes - former->size() * kPermissionBytes;
  if (is_too_large(view, bytes)) {
    return std::unexpected(Refusal::enospc);
  }
  auto shared = std::make_shared<const Permissions>(std::move(permissions));
  Edit edit;
  edit.changes.push_back({.kind = TreeChange::Kind::set_permissions, .path = path, .value = {}, .permissions = shared});
  edit.events.push_back(
      {.path = path, .permissions = shared, .former = former, .parent = parent_permissions(view.tree, path)});
  return edit;
}

namespace {

void forget_below(const Tree& tree, const Node& node, const std::string& path, DomainId domain, Edit& edit) {
  for (const Node* child : node.children_by_birth()) {
    const std::string child_path = below(path, child->name);
    const Permissions& permissions = *child->permissions;
    if (permissions.front().domain == domain) {
      add_removal(tree, *child, child_path, edit);
      continue;
    }
    if (std::ranges::find(permissions, domain, &Permission::domain) != permissions.end()) {
      auto left = permissions;
      std::erase_if(left, [&](const Permission& entry) { return entry.domain == domain; });
      edit.changes.push_back({.kind = TreeChange::Kind::set_permissions,
                              .path = child_path,
                              .value = {},
                              .permissions = std::make_shared<const Permissions>(std::move(left))});
    }
    forget_below(tree, *child, child_path, domain, edit);
  }
}

}  // namespace

Edit plan_forget_domain(const Tree& tree, DomainId domain) {
  Edit edit;
  forget_below(tree, tree.root(), "/", domain, edit);
  return edit;
}

}  // namespace krata::store
