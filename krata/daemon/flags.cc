#include "krata/daemon/flags.h"

#include <CLI/CLI.hpp>

namespace krata::daemon {

namespace {

constexpr const char* kDescription =
    "Looks after zones: builds their domains, keeps their logs, starts again what is to be, and serves the control\n"
    "socket that krata asks. Zones go on while it is not there, and it takes them up again.";

constexpr const char* kFooter =
    "Example:  kratad --state /var/lib/krata\n"
    "Exit codes: 0 ended, 1 wrong use, 2 failure at run time.";

}  // namespace

void add_flags(CLI::App& app, Options& options) {
  app.description(kDescription);
  app.footer(kFooter);
  app.add_option("--socket", options.socket, "The control socket")->capture_default_str();
  app.add_option("--state", options.state, "The folder of zones, images, kernels and what is wanted")
      ->capture_default_str();
  app.add_option("--store", options.store, "Xenstore's socket or device; otherwise the first one that answers");
  app.add_option("--programs", options.programs,
                 "Where krata-image, krata-block and krata-init are; otherwise beside kratad");
  app.add_option("--disk-user", options.disk_user, "Whose the processes are that serve disks")->capture_default_str();
  app.add_option("--metrics", options.metrics, "Where Prometheus finds the metrics page, on loopback")
      ->capture_default_str();
  app.set_version_flag("--version", "kratad " KRAIT_VERSION);
}

}  // namespace krata::daemon
