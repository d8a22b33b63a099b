#include "krait/cli/command.h"

int main(int argc, char** argv) {
  const auto become_inspector = [argv](const auto&...) { return krait::cli::become_inspector(argv); };
  const auto become_joiner = [argv](const auto&...) { return krait::cli::become_joiner(argv); };
  if (krait::cli::is_administration(argc, argv)) {
    return krait::cli::become_administrator(argv);
  }
  return krait::cli::run(argc, argv,
                         {.examine = become_inspector,
                          .bundle = become_inspector,
                          .trace = become_inspector,
                          .explain = become_inspector,
                          .events = become_inspector,
                          .down_without_agent = become_inspector,
                          .keygen = become_inspector,
                          .next_key = become_inspector,
                          .join = become_joiner,
                          .leave = become_joiner});
}
