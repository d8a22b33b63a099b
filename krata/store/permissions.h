// Who may read and write a node. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "krata/store/path.h"
#include "krata/store/wire.h"

namespace krata::store {

enum class Access : std::uint8_t { none = 0, read = 1, write = 2, both = 3 };

struct Permission {
  DomainId domain = 0;
  Access access = Access::none;

  bool operator==(const Permission&) const = default;
};

// The first entry names the owner, who may do everything, and what domains may that no further entry names. Never
// empty.
using Permissions = std::vector<Permission>;
// Nodes share theirs: a new one has its parent's. Never null in a node.
using SharedPermissions = std::shared_ptr<const Permissions>;

// On whose behalf something is done.
struct Actor {
  DomainId domain = 0;
  std::optional<DomainId> target;  // SET_TARGET: whose rights it has too

  [[nodiscard]] bool is_privileged() const { return domain == 0; }
};

bool owns(const Permissions& permissions, const Actor& actor);
// `access` is read or write.
bool allows(const Permissions& permissions, const Actor& actor, Access access);

// "n0", "r5", ... EINVAL for anything else, or none at all.
Answer<Permissions> parse_permissions(const std::vector<std::string_view>& texts, std::size_t first);
std::string text_of(const Permissions& permissions);  // each entry with its nul, as GET_PERMS answers

}  // namespace krata::store
