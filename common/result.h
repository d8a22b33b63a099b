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

}  // namespace common
