#include "common/frame/frame.h"

#include <CLI/CLI.hpp>

#include "common/answer.h"
#include "common/event/notify.h"
#include "common/memory.h"
#include "common/process.h"

namespace common {

namespace {

int serve(const Frame& frame) {
  if (frame.has_secrets) {
    forbid_memory_dumps();
  }
  Log log(frame.program);
  const auto done = within_memory([&] { return frame.serve(log); });
  if (done) {
    return 0;
  }
  log.error(done.error().text());
  notify_failed(done.error().text());
  return exit_code(done.error());
}

}  // namespace

int run_in_frame(int argc, const char* const* argv, const Frame& frame) {
  CLI::App app("", frame.program);
  frame.add_flags(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
  return serve(frame);
}

}  // namespace common
