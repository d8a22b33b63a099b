// The commands of a network's administrators, which krait-coordinator has: krait becomes it for them.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "krait/cli/command.h"

namespace krait::cli {

namespace {

struct Name {
  const char* group;  // empty: a command by itself
  const char* name;
  const char* help;
};

constexpr std::array<Name, 9> kNames{{{"", "token", "Tokens, with which hosts join"},
                                      {"", "host", "The network's hosts"},
                                      {"", "network", "The network's settings"},
                                      {"", "audit", "Who changed what in the network, and when"},
                                      {"policy", "apply", "Give the network's hosts a policy"},
                                      {"policy", "history", "List the network's policies"},
                                      {"policy", "show", "Show one of the network's policies"},
                                      {"policy", "diff", "Say what one of them changes"},
                                      {"policy", "rollback", "Give the hosts a former one"}}};

std::string more(const Name& name) {
  const std::string whole = std::string(name.group) + (*name.group == '\0' ? "" : " ") + name.name;
  return "Is krait-coordinator's, of the package of that name, and takes what that takes:\n"
         "krait-coordinator " +
         whole + " --help";
}

}  // namespace

bool is_administration(int argc, const char* const* argv) {
  const auto word = [&](int at) { return at < argc ? std::string_view(argv[at]) : std::string_view(); };
  return std::ranges::any_of(kNames, [&](const Name& name) {
    return *name.group == '\0' ? word(1) == name.name : word(1) == name.group && word(2) == name.name;
  });
}

void add_administration(Shell& shell, Command policy) {
  for (const Name& name : kNames) {
    if (*name.group == '\0') {
      shell.command(name.name, name.help, more(name));
    } else {
      shell.command(policy, name.name, name.help, more(name));
    }
  }
}

}  // namespace krait::cli
