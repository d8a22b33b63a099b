// Run at build time: prints the manual page or a shell's completion of a program, from the command line that the
// program itself parses, so that neither can tell anything else.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <array>
#include <cstdio>
#include <string>
#include <string_view>

#include "krait/agent/flags.h"
#include "krait/cli/command.h"
#include "krait/coordinator/command.h"
#include "krait/link/flags.h"
#include "krata/backend/flags.h"
#include "krata/cli/command.h"
#include "krata/daemon/flags.h"
#include "krata/store/flags.h"
#include "packaging/reference/reference.h"

namespace {

using reference::Command;

// Of a program with commands.
template <typename AddCommands>
Command describe_commands(const common::cli::About& about, AddCommands add_commands) {
  CLI::App app;
  common::cli::introduce(app, about);
  common::cli::Shell shell(app);
  add_commands(shell);
  return reference::describe(app);
}

// Of a program with flags alone.
template <typename Flags>
Command describe_flags(const char* name, void (*add_flags)(common::cli::Command, Flags&)) {
  CLI::App app("", name);
  Flags flags;
  add_flags(common::cli::Command(app), flags);
  return reference::describe(app);
}

Command describe_krait() {
  const krait::cli::Inspections inspections;
  return describe_commands(krait::cli::about(),
                           [&](common::cli::Shell& shell) { krait::cli::add_commands(shell, inspections); });
}
Command describe_krait_agent() { return describe_flags("krait-agent", krait::agent::add_flags); }
Command describe_krait_link() { return describe_flags("krait-link", krait::link::add_flags); }
Command describe_krait_coordinator() {
  return describe_commands(krait::coordinator::about(), krait::coordinator::add_commands);
}
Command describe_krata() { return describe_commands(krata::cli::about(), krata::cli::add_commands); }
Command describe_kratad() { return describe_flags("kratad", krata::daemon::add_flags); }
Command describe_krata_block() { return describe_flags("krata-block", krata::backend::add_flags); }
Command describe_krata_store() { return describe_flags("krata-store", krata::store::add_flags); }

constexpr const char* kKraitPages =
    ".BR krait (1),\n.BR krait\\-agent (8),\n.BR krait\\-link (8),\n.BR krait.toml (5),\n.BR policy.toml (5);\n"
    "the folder /usr/share/doc/krait\n";
constexpr const char* kCoordinatorPages = ".BR krait (1),\n.BR krait\\-link (8),\n.BR policy.toml (5)\n";
constexpr const char* kKrataPages =
    ".BR krata (1),\n.BR kratad (8),\n.BR krata\\-store (8),\n.BR krata\\-block (8);\n"
    "the folder /usr/share/doc/krata\n";

struct Program {
  std::string_view name;
  Command (*describe)();
  reference::Page page;
};

constexpr std::array kPrograms{
    Program{"krait", describe_krait, {"identity policy on a WireGuard mesh", 1, kKraitPages}},
    Program{"krait-agent", describe_krait_agent, {"keeps one interface as krait.toml says", 8, kKraitPages}},
    Program{"krait-link", describe_krait_link, {"keeps a host's connection with its coordinator", 8, kKraitPages}},
    Program{"krait-coordinator",
            describe_krait_coordinator,
            {"hosts join with one token, one policy reaches all of them", 8, kCoordinatorPages}},
    Program{"krata", describe_krata, {"OCI containers as Xen guests", 1, kKrataPages}},
    Program{"kratad", describe_kratad, {"looks after the zones of a host", 8, kKrataPages}},
    Program{"krata-block", describe_krata_block, {"serves the disks of a zone", 8, kKrataPages}},
    Program{"krata-store",
            describe_krata_store,
            {"the tree of names and values that domain 0 and zones share", 8, kKrataPages}}};

std::string reference_of(std::string_view form, const Program& program) {
  const Command root = program.describe();
  const std::string name(program.name);
  if (form == "man") {
    return reference::manual(root, name, program.page);
  }
  if (form == "bash") {
    return reference::bash_completion(root, name);
  }
  if (form == "zsh") {
    return reference::zsh_completion(root, name);
  }
  return form == "fish" ? reference::fish_completion(root, name) : "";
}

}  // namespace

int main(int argc, char** argv) {
  for (const Program& program : kPrograms) {
    const std::string text = argc == 3 && argv[2] == program.name ? reference_of(argv[1], program) : "";
    if (!text.empty()) {
      fmt::print("{}", text);
      return std::fflush(stdout) == 0 ? 0 : 2;
    }
  }
  fmt::print(stderr,
             "usage: krait_reference man|bash|zsh|fish "
             "krait|krait-agent|krait-link|krait-coordinator|krata|kratad|krata-block|krata-store\n");
  return 1;
}
