#include "krait/inspect/inspect.h"

int main(int argc, char** argv) {
  using namespace krait;
  return cli::run(argc, argv, {.examine = inspect::examine, .bundle = inspect::bundle, .trace = inspect::trace});
}
