#include "common/result.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace common {

std::string Diagnostic::text() const {
  std::string where = file;
  if (line != 0) {
    where += fmt::format(":{}:{}", line, column);
  }
  where += where.empty() ? "" : ": ";
  return hint.empty() ? where + message : fmt::format("{}{}; {}", where, message, hint);
}

namespace {

ErrorCode code_of(int sys_errno) {
  switch (sys_errno) {
    case EPERM:
    case EACCES:
      return ErrorCode::permission;
    case ENOENT:
    case ENODEV:
      return ErrorCode::not_found;
    case EOPNOTSUPP:
    case ENOSYS:
      return ErrorCode::unsupported;
    default:
      return ErrorCode::system;
  }
}

}  // namespace

Error Error::from_errno(int sys_errno, std::string message) {
  return {code_of(sys_errno), std::move(message), sys_errno};
}

Error Error::from_diagnostics(std::vector<Diagnostic> diagnostics) {
  Error error(ErrorCode::invalid_input, {});
  error.diagnostics_ = std::move(diagnostics);
  return error;
}

Error Error::with_context(std::string what) && {
  context_.push_back(std::move(what));
  return std::move(*this);
}

std::string Error::text() const {
  std::string text;
  if (!diagnostics_.empty()) {
    for (const Diagnostic& diagnostic : diagnostics_) {
      text += (text.empty() ? "" : "\n") + diagnostic.text();
    }
    return text;
  }
  for (auto what = context_.rbegin(); what != context_.rend(); ++what) {
    text += *what + ": ";
  }
  text += message_;
  if (sys_errno_ != 0) {
    text += fmt::format(" ({})", std::generic_category().message(sys_errno_));
  }
  return text;
}

}  // namespace common
