// What a request to change nodes comes to: permissions and quotas judged, the changes and the events of watches listed.
// Pure: the tree is only looked at.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "krata/store/quota.h"
#include "krata/store/tree.h"

namespace krata::store {

// Something that watches may have to be told of.
struct NodeEvent {
  std::string path;
  // Only for watches of just this node: those above it have been told by the event of the node that took it along.
  bool is_exact = false;
  // Who may read by any of these may know of it; null where there is no such.
  SharedPermissions permissions;
  SharedPermissions former;  // before a change of permissions
  SharedPermissions parent;
};

struct Edit {
  std::vector<TreeChange> changes;  // in order; empty: it is as it should be already
  std::vector<NodeEvent> events;
};

// On what and for whom.
struct View {
  const Tree& tree;
  const Actor& actor;
  const Quota& quota;
};

// The node, if the actor may do `access`. A node that is not there is ENOENT only to whom the nearest one above grants
// as much: what exists is not to be found out by errors.
Answer<const Node*> permitted(const View& view, std::string_view path, Access access);

// Bytes that a node counts for with Quota::node_size.
std::size_t size_of(const Node& node);

// Paths are absolute and valid (path.h).
Answer<Edit> plan_write(const View& view, const std::string& path, std::string_view value);
Answer<Edit> plan_mkdir(const View& view, const std::string& path);
Answer<Edit> plan_remove(const View& view, const std::string& path);
Answer<Edit> plan_set_permissions(const View& view, const std::string& path, Permissions permissions);

// Removes what a domain owned, with all below it, and takes it out of other nodes' permissions: its number may come
// again.
Edit plan_forget_domain(const Tree& tree, DomainId domain);

}  // namespace krata::store
