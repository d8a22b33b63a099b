#include "common/event/notify.h"
#include "common/frame/frame.h"
#include "krata/store/flags.h"

int main(int argc, char** argv) {
  krata::store::Options options;
  bool is_alone = true;
  const auto serve = [&](common::Log& log) {
    auto alone = options.without_xen ? common::Result<void>() : krata::store::check_is_alone();
    is_alone = alone.has_value();
    if (!is_alone) {
      // It is no failure: what follows the unit finds a store. Who ends without a word has failed, whatever its code.
      common::notify_ready("another program serves xenstore");
    }
    return is_alone ? krata::store::run(options, log) : alone;
  };
  const int code = common::run_in_frame(
      argc, argv,
      {.program = "krata-store",
       .add_flags = [&](common::cli::Command command) { krata::store::add_flags(command, options); },
       .serve = serve});
  return is_alone ? code : krata::store::kServedExitCode;
}
