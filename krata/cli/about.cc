#include "common/answer.h"
#include "krata/cli/command.h"

namespace krata::cli {

using common::Error;
using common::ErrorCode;

namespace {

// 1: wrong use, or an image that is not taken.
int exit_code(const Error& error) {
  return error.code() == ErrorCode::system || error.code() == ErrorCode::unavailable ||
                 error.code() == ErrorCode::permission
             ? 2
             : 1;
}

}  // namespace

common::cli::About about() {
  return {.name = "krata",
          .version = KRAIT_VERSION,
          .description = "krata: runs OCI containers as Xen guests, each with a kernel of its own.",
          .footer =
              "Example:  krata zone launch --attach registry.example/alpine:3 echo hello\n"
              "Every command takes -o json. Exit codes: 0 ok, 1 wrong use or an image that is not taken, 2 "
              "failure at run time; of what waits for a container, the container's.",
          .exit_code = exit_code};
}

void report(Output& output, std::string_view text, Json json) {
  json["version"] = common::kAnswerVersion;
  // ASCII alone: what images say in other characters may be meant for a terminal.
  output.report_line(text, json.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n");
}

}  // namespace krata::cli
