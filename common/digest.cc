#include "common/digest.h"

#include <xxhash.h>

namespace common {

Digest Digest::of(std::string_view text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return {.low = hash.low64, .high = hash.high64};
}

}  // namespace common
