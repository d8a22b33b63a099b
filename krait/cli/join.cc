#include <memory>

#include "krait/cli/command.h"

namespace krait::cli {

void add_join(Shell& shell, const Inspections& inspections) {
  auto flags = std::make_shared<JoinFlags>();
  Command command = shell.command(
      "join", "Join a network with a token",
      "Makes this host's keys, which never leave it, has the coordinator take it in, and starts "
      "krait-agent and krait-link.\n"
      "A host that went by krait.toml goes by the network from then on, with the same name, key, interface and port, "
      "and the same addresses where they are the network's to give; the file stays as it is.\n"
      "Example:  sudo krait join TOKEN    (krait-coordinator token create prints it)");
  command.option("TOKEN", flags->token, "What the token's maker has printed", {.required = true});
  command.option("--name", flags->name, "What this host is called; as in krait.toml, else as the machine");
  command.option("--iface", flags->interface, "The interface's name; as in krait.toml, else wg0");
  command.option("--listen-port", flags->listen_port, "WireGuard's UDP port; as in krait.toml, else 51820");
  command.repeated("--endpoint", flags->endpoints,
                   "Where peers call this host, ADDRESS:PORT; where the coordinator sees it, with that port");
  command.flag("--nat", flags->behind_nat,
               "Nobody can call this host: it is behind NAT, and keeps its way open itself");
  command.flag("--no-start", flags->no_start, "Start no services");
  shell.on(command, [flags, &inspections](Output& output) { return inspections.join(*flags, output); });

  auto leave_flags = std::make_shared<LeaveFlags>();
  Command leave =
      shell.command("leave", "Leave the network",
                    "Tells the coordinator, takes what was enforced off, and forgets the network and its keys.\n"
                    "Example:  sudo krait leave");
  leave.flag("--no-stop", leave_flags->no_stop, "Stop no services, and leave what is enforced in force");
  shell.on(leave, [leave_flags, &inspections](Output& output) { return inspections.leave(*leave_flags, output); });
}

}  // namespace krait::cli
