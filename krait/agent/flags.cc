#include "krait/agent/flags.h"

#include <fmt/format.h>

#include "common/event/loopback.h"
#include "krait/control/version.h"

namespace krait::agent {

namespace {

constexpr const char* kDescription =
    "Keeps one WireGuard interface as krait.toml and its policy say: sets it up, judges every packet on it by "
    "identity, and\n"
    "serves `krait status|reload|down` and the metrics page. Ending it (SIGTERM, SIGINT, even SIGKILL) leaves "
    "everything in\n"
    "force; SIGHUP reads the files again.";

constexpr const char* kFooter =
    "Example:  krait-agent --config /etc/krait/krait.toml\n"
    "          krait-agent --config /etc/krait/krait.toml --iface wg0    (guards a wg0 that wg-quick made)\n"
    "Exit codes: 0 ended, 1 wrong use or configuration, 2 failure at run time.";

std::string check_metrics(const std::string& text) {
  const auto endpoint = common::Endpoint::parse(text);
  return endpoint && common::is_loopback(endpoint->ip) ? "" : "give a loopback ADDRESS:PORT, as 127.0.0.1:9517";
}

}  // namespace

void add_flags(common::cli::Command command, Flags& flags) {
  command.introduce(kDescription, kFooter, fmt::format("krait-agent {}", control::kVersion));
  command.option("--config", flags.config, "The host's configuration", {.env = "KRAIT_CONFIG"});
  command.option("--joined", flags.joined, "What krait join wrote; where it is there, it counts in place of --config",
                 {.env = "KRAIT_JOINED"});
  command.option("--iface", flags.interface,
                 "Guard this interface, which something else manages, and change nothing else", {.env = "KRAIT_IFACE"});
  command.option("--socket", flags.socket, "The control socket", {.env = "KRAIT_SOCKET"});
  command.option("--metrics", flags.metrics, "Where to serve /metrics: a loopback ADDRESS:PORT",
                 {.env = "KRAIT_METRICS", .form = "ADDRESS:PORT", .fault_in = check_metrics});
  command.option(
      "--prepare", flags.prepare_for,
      "As root: make what an agent needs that will run as this user, the place of the pins above all, and end");
}

AgentOptions options_of(const Flags& flags) {
  AgentOptions options;
  options.enforcer.config_file = flags.config;
  options.enforcer.joined_file = flags.joined;
  if (!flags.interface.empty()) {
    options.enforcer.guarded_interface = flags.interface;
  }
  options.socket_path = flags.socket;
  options.metrics = *common::Endpoint::parse(flags.metrics);
  return options;
}

}  // namespace krait::agent
