#include "krait/inspect/inspect.h"

int main(int argc, char** argv) {
  using namespace krait;
  return cli::run(argc, argv,
                  {.examine = inspect::examine,
                   .bundle = inspect::bundle,
                   .trace = inspect::trace,
                   .explain = inspect::explain_verdict,
                   .events = inspect::events,
                   .down_without_agent = inspect::down_without_agent,
                   .keygen = inspect::keygen,
                   .next_key = inspect::next_key,
                   .check_joined = inspect::check_joined,
                   .join = {},
                   .leave = {}});
}
