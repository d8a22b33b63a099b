#include "krait/agent/flags.h"

#include <CLI/CLI.hpp>

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

void add_flags(CLI::App& app, Flags& flags) {
  app.description(kDescription);
  app.footer(kFooter);
  app.add_option("--config", flags.config, "The host's configuration")->envname("KRAIT_CONFIG")->capture_default_str();
  app.add_option("--joined", flags.joined, "What krait join wrote; where it is there, it counts in place of --config")
      ->envname("KRAIT_JOINED")
      ->capture_default_str();
  app.add_option("--iface", flags.interface,
                 "Guard this interface, which something else manages, and change nothing else")
      ->envname("KRAIT_IFACE");
  app.add_option("--socket", flags.socket, "The control socket")->envname("KRAIT_SOCKET")->capture_default_str();
  app.add_option("--metrics", flags.metrics, "Where to serve /metrics: a loopback ADDRESS:PORT")
      ->envname("KRAIT_METRICS")
      ->check(CLI::Validator(check_metrics, "ADDRESS:PORT"))
      ->capture_default_str();
  app.add_option(
      "--prepare", flags.prepare_for,
      "As root: make what an agent needs that will run as this user, the place of the pins above all, and end");
  app.set_version_flag("--version", std::string("krait-agent ") + control::kVersion);
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
