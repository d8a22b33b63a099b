#include "krata/daemon/flags.h"

namespace krata::daemon {

namespace {

constexpr const char* kDescription =
    "Looks after zones: builds their domains, keeps their logs, starts again what is to be, and serves the control\n"
    "socket that krata asks. Zones go on while it is not there, and it takes them up again.";

constexpr const char* kFooter =
    "Example:  kratad --state /var/lib/krata\n"
    "Exit codes: 0 ended, 1 wrong use, 2 failure at run time.";

}  // namespace

void add_flags(common::cli::Command command, Options& options) {
  command.introduce(kDescription, kFooter, "kratad " KRAIT_VERSION);
  command.option("--socket", options.socket, "The control socket");
  command.option("--state", options.state, "The folder of zones, images, kernels and what is wanted");
  command.option("--store", options.store, "Xenstore's socket or device; otherwise the first one that answers");
  command.option("--programs", options.programs,
                 "Where krata-image, krata-block and krata-init are; otherwise beside kratad");
  command.option("--disk-user", options.disk_user, "Whose the processes are that serve disks");
  command.option("--metrics", options.metrics, "Where Prometheus finds the metrics page, on loopback");
}

}  // namespace krata::daemon
