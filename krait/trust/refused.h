// How a state from the network is refused.
#pragma once

#include <string>
#include <utility>

#include "common/result.h"

namespace krait::trust {

inline common::Error refused(std::string why) { return {common::ErrorCode::invalid_input, std::move(why)}; }

}  // namespace krait::trust
