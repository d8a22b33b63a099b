#include "krait/cli/command.h"

#include "krait/control/version.h"

namespace krait::cli {

void add_config_flag(Command command, std::string& config) {
  command.option("--config", config, "The host's configuration", {.env = "KRAIT_CONFIG"});
}

void add_socket_flag(Command command, std::string& socket) {
  command.option("--socket", socket, "The agent's control socket", {.env = "KRAIT_SOCKET"});
}

common::cli::About about() {
  return {.name = "krait",
          .version = control::kVersion,
          .description =
              "krait: a WireGuard mesh in which the kernel judges every packet by who sent it.\n"
              "/etc/krait/krait.toml says who this host and its peers are, policy.toml who may open what to whom.",
          .footer =
              "Example:  krait keygen /var/lib/krait/host.key && krait check && sudo krait up && krait status\n"
              "Every command takes -o json. Exit codes: 0 ok, 1 wrong use or configuration, 2 failure at run "
              "time."};
}

void add_commands(Shell& shell, const Inspections& inspections) {
  add_up(shell);
  add_down(shell, inspections);
  add_status(shell);
  add_rules(shell);
  add_events(shell, inspections);
  add_reload(shell);
  add_allow_older(shell);
  add_check(shell);
  const Command policy = add_policy(shell, inspections);
  add_trace(shell, inspections);
  add_doctor(shell, inspections);
  add_debug(shell, inspections);
  add_key(shell, inspections);
  add_keygen(shell, inspections);
  add_join(shell, inspections);
  add_administration(shell, policy);
  add_version(shell);
}

int run(int argc, const char* const* argv, const Inspections& inspections) {
  return common::cli::run(argc, argv, about(), [&](Shell& shell) { add_commands(shell, inspections); });
}

}  // namespace krait::cli
