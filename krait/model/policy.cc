#include "krait/model/policy.h"

#include <algorithm>

namespace krait::model {

std::int64_t Policy::find_identity(std::string_view name) const {
  const auto found = std::ranges::find(identities, name, &Identity::name);
  return found == identities.end() ? -1 : found - identities.begin();
}

}  // namespace krait::model
