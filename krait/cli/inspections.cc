#include "krait/cli/inspections.h"

#include <unistd.h>

#include <cerrno>
#include <string>

#include "krait/cli/spawn.h"

namespace krait::cli {

using common::Error;
using common::ErrorCode;

namespace {

common::Result<void> become(const std::string& program, const char* const* argv) {
  const std::string here = own_directory();
  for (const std::string& place : {"/" + program, "/../libexec/krait/" + program}) {
    ::execv((here + place).c_str(), const_cast<char**>(argv));
    if (errno != ENOENT) {
      return Error::from_errno(errno, "start " + program);
    }
  }
  return Error(ErrorCode::not_found, program + " is neither beside krait nor in ../libexec/krait; install it");
}

}  // namespace

common::Result<void> become_inspector(const char* const* argv) { return become("krait-inspect", argv); }
common::Result<void> become_joiner(const char* const* argv) { return become("krait-join", argv); }

int become_administrator(const char* const* argv) {
  const auto failed = become("krait-coordinator", argv);
  common::cli::Output output("krait", false);
  output.error(failed.error());
  return common::exit_code(failed.error());
}

}  // namespace krait::cli
