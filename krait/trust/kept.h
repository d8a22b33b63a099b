// The bytes in which a host keeps its last good state.
#pragma once

#include <utility>

#include "common/result.h"
#include "krait/trust/state.h"

namespace krait::trust {

inline constexpr std::size_t kMaxKeptBytes = kMaxStateBytes + (std::size_t{64} << 20U);

Bytes encode_kept(const Anchor& anchor, const State& state);
common::Result<std::pair<Anchor, State>> parse_kept(BytesView bytes);

}  // namespace krait::trust
