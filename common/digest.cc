#include "common/digest.h"

#include <xxhash.h>

#include <new>

namespace common {

namespace {

Digest as_digest(const XXH128_hash_t& hash) { return {.low = hash.low64, .high = hash.high64}; }

}  // namespace

Digest Digest::of(std::string_view text) { return as_digest(XXH3_128bits(text.data(), text.size())); }

void Digester::Closer::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

Digester::Digester() : state_(XXH3_createState()) {
  if (!state_) {
    throw std::bad_alloc();
  }
  XXH3_128bits_reset(state_.get());
}

void Digester::add(std::string_view piece) { XXH3_128bits_update(state_.get(), piece.data(), piece.size()); }

Digest Digester::digest() const { return as_digest(XXH3_128bits_digest(state_.get())); }

}  // namespace common
