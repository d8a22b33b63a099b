// Run at build time: prints the manual page or a shell's completion of krait or krait-agent, from the command line that
// the program itself parses, so that neither can tell anything else.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <array>
#include <cstdio>
#include <string_view>

#include "krait/agent/flags.h"
#include "krait/cli/command.h"
#include "packaging/reference/reference.h"

namespace {

struct Form {
  std::string_view name;
  std::string (*write)(const reference::Command&, const std::string&);
};

std::string manual(const reference::Command& root, const std::string& program) {
  return program == "krait" ? reference::manual(root, program, "identity policy on a WireGuard mesh", 1)
                            : reference::manual(root, program, "keeps one interface as krait.toml says", 8);
}

constexpr std::array kForms{Form{"man", manual}, Form{"bash", reference::bash_completion},
                            Form{"zsh", reference::zsh_completion}, Form{"fish", reference::fish_completion}};

reference::Command describe(const std::string& program) {
  CLI::App app("", program);
  if (program == "krait") {
    const krait::cli::Inspections inspections;
    common::cli::introduce(app, krait::cli::about());
    common::cli::Shell shell(app);
    krait::cli::add_commands(shell, inspections);
    return reference::describe(app);
  }
  krait::agent::Flags flags;
  krait::agent::add_flags(app, flags);
  return reference::describe(app);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view wanted = argc == 3 ? argv[1] : "";
  const std::string program = argc == 3 ? argv[2] : "";
  for (const Form& form : kForms) {
    if (form.name == wanted && (program == "krait" || program == "krait-agent")) {
      fmt::print("{}", form.write(describe(program), program));
      return std::fflush(stdout) == 0 ? 0 : 2;
    }
  }
  fmt::print(stderr, "usage: krait_reference man|bash|zsh|fish krait|krait-agent\n");
  return 1;
}
