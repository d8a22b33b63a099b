#include "krait/model/tags.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string_view>

namespace krait::model {

namespace {

// FNV-1a with 64 bits, folded (http://www.isthe.com/chongo/tech/comp/fnv/). `attempt` varies it after a collision.
std::uint32_t tag_of(std::string_view name, std::uint64_t attempt) {
  std::uint64_t hash = 0xcbf29ce484222325ULL ^ attempt;
  for (const char c : name) {
    hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
  }
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
