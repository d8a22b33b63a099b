#include <memory>
#include <string>

#include "krait/cli/command.h"

namespace krait::cli {

void add_trace(Shell& shell, const Inspections& inspections) {
  auto flags = std::make_shared<TraceFlags>(TraceFlags{.config = kDefaultConfig, .policy = {}, .pcap = {}});
  Command command = shell.command(
      "trace", "Run a capture's packets through the BPF program",
      "Says what the program does with each packet, in order. Touches no interface and needs no key; needs root.\n"
      "Time stands still: no flow ends by silence.\n"
      "Example:  sudo krait trace --config krait.toml --pcap wg0.pcap -o json");
  add_config_flag(command, flags->config);
  command.option("--policy", flags->policy, "Another policy than the one that the configuration names");
  command.option("--direction", flags->direction,
                 "How packets pass the interface; auto: those from this host's own addresses and routes leave",
                 {.one_of = {"ingress", "egress", "auto"}});
  command.option("--pcap", flags->pcap, "The capture: pcap or pcapng, raw IP or Ethernet", {.required = true});
  shell.on(command, [flags, &inspections](Output& output) { return inspections.trace(*flags, output); });
}

}  // namespace krait::cli
