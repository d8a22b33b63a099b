#include "krait/inspect/local_sources.h"

namespace krait::inspect {

using common::Family;
using common::Prefix;

LocalSources::LocalSources(const std::vector<compile::Binding>& bindings) {
  for (const compile::Binding& binding : bindings) {
    local_by_prefix_.emplace(binding.prefix.masked(), binding.local());
    (binding.prefix.ip.family == Family::v4 ? v4_lengths_ : v6_lengths_).insert(binding.prefix.length);
  }
}

bool LocalSources::contains(const common::Ip& address) const {
  for (const std::uint8_t length : address.family == Family::v4 ? v4_lengths_ : v6_lengths_) {
    const auto found = local_by_prefix_.find(Prefix{address, length}.masked());
    if (found != local_by_prefix_.end()) {
      return found->second;
    }
  }
  return false;
}

}  // namespace krait::inspect
