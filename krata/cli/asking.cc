#include "krata/cli/asking.h"

#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "common/program.h"
#include "krata/cli/command.h"

namespace krata::cli {

using common::Error;
using common::ErrorCode;

namespace {

constexpr const char* kProgram = "krata-image";

void add_asking_commands(Shell& shell) {
  add_zone(shell);
  add_host(shell);
}

Error become(const char* const* argv) {
  for (const std::string_view place : {"/", "/../libexec/krata/"}) {
    const std::string path = common::own_folder().append(place).append(kProgram);
    ::execv(path.c_str(), const_cast<char* const*>(argv));
    if (errno != ENOENT) {
      return Error::from_errno(errno, "start " + path);
    }
  }
  return {ErrorCode::not_found, std::string(kProgram) + " is neither beside krata nor in ../libexec/krata; install it"};
}

}  // namespace

bool is_asking(int argc, const char* const* argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  return first == "zone" || first == "host";
}

int run_asking(int argc, const char* const* argv) { return common::cli::run(argc, argv, about(), add_asking_commands); }

int become_image_program(const char* const* argv) {
  const Error failed = become(argv);
  Output output("krata", false);
  output.error(failed);
  return about().exit_code(failed);
}

}  // namespace krata::cli
