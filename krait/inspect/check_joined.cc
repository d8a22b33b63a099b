// krait check, of a host that has joined a network.
#include <cstdlib>

#include "krait/inspect/inspect.h"
#include "krait/plan/joined.h"

namespace krait::inspect {

std::string joined_file() {
  const char* file = std::getenv("KRAIT_JOINED");
  return file == nullptr || *file == '\0' ? plan::kJoinedFile : file;
}

common::Result<void> check_joined(const std::string& joined_file, cli::Output& output) {
  KRAIT_TRY(const auto plan, plan::make_joined_plan(joined_file));
  cli::report_checked(plan, output);
  return {};
}

}  // namespace krait::inspect
