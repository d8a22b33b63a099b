#include "krait/cli/inspections.h"

#include "common/program.h"

namespace krait::cli {

namespace {

common::Error become(const char* program, const char* const* argv) {
  return common::become_program(program, "krait", argv);
}

}  // namespace

common::Result<void> become_inspector(const char* const* argv) { return become("krait-inspect", argv); }
common::Result<void> become_joiner(const char* const* argv) { return become("krait-join", argv); }

int become_administrator(const char* const* argv) {
  const common::Error failed = become("krait-coordinator", argv);
  common::cli::Output output("krait", false);
  output.error(failed);
  return common::exit_code(failed);
}

}  // namespace krait::cli
