// Links that krait made, when its mark is not on them.
#pragma once

#include <cstdint>
#include <string>

namespace krait::enforce {

// The link of that name, if it is krait's own without having its mark: an earlier version made none, but what that
// attached is still on it. 0: there is none.
std::uint32_t unmarked_own_link(const std::string& interface);

}  // namespace krait::enforce
