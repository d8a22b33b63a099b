#include "krait/model/tags.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string_view>

#include "common/hash.h"

namespace krait::model {

namespace {

// Folded to 32 bits. `attempt` varies it after a collision.
std::uint32_t tag_of(std::string_view name, std::uint64_t attempt) {
  const std::uint64_t hash = common::fnv1a(name, common::kFnvStart ^ attempt);
  return static_cast<std::uint32_t>(hash ^ (hash >> 32U));
}

}  // namespace

void assign_tags(std::vector<Identity>& identities) {
  std::set<std::uint32_t> taken{0};  // 0 means "unknown" in the data path; no hash: a file chooses them
  std::vector<Identity*> unpinned;
  for (Identity& identity : identities) {
    if (identity.tag == 0) {
      unpinned.push_back(&identity);
    } else {
      taken.insert(identity.tag);
    }
  }
  std::ranges::sort(unpinned, {}, &Identity::name);
  for (Identity* identity : unpinned) {
    std::uint64_t attempt = 0;
    do {
      identity->tag = tag_of(identity->name, attempt++);
    } while (!taken.insert(identity->tag).second);
  }
}

}  // namespace krait::model
