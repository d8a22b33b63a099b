#include "krait/cli/inspections.h"

#include <unistd.h>

#include <cerrno>

#include "krait/cli/spawn.h"

namespace krait::cli {

using common::Error;
using common::ErrorCode;

common::Result<void> become_inspector(const char* const* argv) {
  const std::string here = own_directory();
  for (const char* place : {"/krait-inspect", "/../libexec/krait/krait-inspect"}) {
    ::execv((here + place).c_str(), const_cast<char**>(argv));
    if (errno != ENOENT) {
      return Error::from_errno(errno, "start krait-inspect");
    }
  }
  return Error(ErrorCode::not_found, "krait-inspect is neither beside krait nor in ../libexec/krait; install it");
}

}  // namespace krait::cli
