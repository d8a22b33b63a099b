#include "common/frame/frame.h"

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
  if (const auto ended = cli::parse(argc, argv, frame.program, frame.add_flags)) {
    return *ended;
  }
  return serve(frame);
}

}  // namespace common
