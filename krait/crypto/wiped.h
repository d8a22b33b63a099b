// Memory for secrets on the stack, wiped at the end of the scope.
#pragma once

#include <string.h>  // NOLINT(modernize-deprecated-headers): explicit_bzero is the C library's own

#include <type_traits>

namespace krait::crypto {

template <typename T>
struct Wiped {
  static_assert(std::is_trivially_copyable_v<T>, "what it holds elsewhere would stay there");
  T value{};
  Wiped() = default;
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
  ~Wiped() { ::explicit_bzero(&value, sizeof value); }
};

}  // namespace krait::crypto
