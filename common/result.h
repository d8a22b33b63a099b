// The one error type. A function that can fail returns Result<T>; nothing throws across a module boundary.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace common {

// What the caller can do about a failure; main turns it into the exit code (docs/cli.md).
enum class ErrorCode : std::uint8_t {
  invalid_input,  // wrong use or configuration: exit code 1
  not_found,      // what was named does not exist
  permission,     // the kernel refused for want of a capability
  unsupported,    // this kernel or build cannot do it
  limit,          // too large for the tables; the message says which and by how much
  unavailable,    // nobody answers (for example the agent is not running)
  system,         // a system call failed; sys_errno says why
};

// One finding in a file. line and column count from 1; 0 means "the file as a whole".
struct Diagnostic {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::string message;  // what is wrong
  std::string hint;     // what to write instead; may be empty

  // "file:line:column: message; hint"
  [[nodiscard]] std::string text() const;
};

// Why something failed. Movable value, owns all its text.
class Error {
 public:
  Error(ErrorCode code, std::string message, int sys_errno = 0)
      : code_(code), sys_errno_(sys_errno), message_(std::move(message)) {}

  // A failed system call. The code follows from the errno (EPERM and EACCES: permission, ENOENT and ENODEV: not_found).
  static Error from_errno(int sys_errno, std::string message);
  // Findings in a file; there is at least one.
  static Error from_diagnostics(std::vector<Diagnostic> diagnostics);

  [[nodiscard]] ErrorCode code() const { return code_; }
  [[nodiscard]] int sys_errno() const { return sys_errno_; }
  [[nodiscard]] const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }

  // Says what was being done, outermost last: error.with_context("load the policy").
  [[nodiscard]] Error with_context(std::string what) &&;

  // "outer: inner: message (errno text)"; with diagnostics one line each instead of the message.
  [[nodiscard]] std::string text() const;

 private:
  ErrorCode code_;
  int sys_errno_ = 0;
  std::string message_;
  std::vector<std::string> context_;
  std::vector<Diagnostic> diagnostics_;
};

template <typename T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
  Result(Error error)
      : std::expected<T, Error>(std::unexpected(std::move(error))) {}  // NOLINT(google-explicit-constructor)
};

// Passes the error of `result` on, with context. Use as: return passed_on(result, "open the object");
template <typename T>
[[nodiscard]] Error passed_on(Result<T>& result, std::string what) {
  return std::move(result.error()).with_context(std::move(what));
}

// What the macros below return: the error of a result that holds no value, moved out of it.
template <typename T, typename E>
[[nodiscard]] std::unexpected<E> error_of(std::expected<T, E>&& result) {
  return std::unexpected(std::move(result).error());
}
template <typename T>
[[nodiscard]] std::unexpected<Error> error_of(Result<T>&& result, std::string what) {
  return std::unexpected(passed_on(result, std::move(what)));
}

}  // namespace common

// Passes an error on to the caller, in a function that returns a Result (a lambda must name that type):
//
//   KRAIT_TRY(const auto text, read_file(path, kMaxBytes));            // declares `text`, a std::string
//   KRAIT_CHECK(write_file(path, text, 0600));                         // for a Result<void>
//   KRAIT_TRY(auto map, open_map(pin), "open the map");                // adds a context, as passed_on does
//
// The error is moved, never copied, and the context is made only when there is one. KRAIT_TRY declares a variable, so
// it stands where a declaration may stand: not behind an `if` without braces. A comma outside of parentheses, as in
// f<A, B>(), needs parentheses around the whole expression.
#define KRAIT_TRY(declaration, expression, ...) \
  KRAIT_TRY_AS(KRAIT_TRY_NAME(__COUNTER__), declaration, expression __VA_OPT__(, ) __VA_ARGS__)
#define KRAIT_CHECK(expression, ...) KRAIT_CHECK_AS(KRAIT_TRY_NAME(__COUNTER__), expression __VA_OPT__(, ) __VA_ARGS__)

// Only for the two above. A name of its own for each result, so that a lambda in an expression may hold them too.
#define KRAIT_TRY_NAME(number) KRAIT_TRY_GLUE(tried_, number)
#define KRAIT_TRY_GLUE(start, number) start##number
#define KRAIT_CHECK_AS(result, expression, ...)                              \
  if (auto result = (expression); !result) {                                 \
    return ::common::error_of(std::move(result) __VA_OPT__(, ) __VA_ARGS__); \
  }                                                                          \
  static_assert(true)
#define KRAIT_TRY_AS(result, declaration, expression, ...)                   \
  auto result = (expression);                                                \
  if (!result) {                                                             \
    return ::common::error_of(std::move(result) __VA_OPT__(, ) __VA_ARGS__); \
  }                                                                          \
  declaration = *std::move(result)
