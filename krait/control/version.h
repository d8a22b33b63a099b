// The version of every program of krait, from the build.
#pragma once

namespace krait::control {

inline constexpr const char* kVersion = KRAIT_VERSION;

}  // namespace krait::control
