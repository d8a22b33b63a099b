#include "krata/backend/flags.h"

#include <CLI/CLI.hpp>

namespace krata::backend {

namespace {

constexpr const char* kDescription = "Serves the disks of one zone from files and block devices. kratad starts it.";

constexpr const char* kFooter =
    "Example:  krata-block --domain 3 --state zone --disk 51712=root.squashfs:ro --disk 51728=data.img\n"
    "Ends when the domain is gone, and on SIGTERM. Killed and started again it goes on with the same disks.\n"
    "Exit codes: 0 ended, 1 wrong use, 2 failure at run time.";

}  // namespace

void add_flags(CLI::App& app, Options& options) {
  app.description(kDescription);
  app.footer(kFooter);
  app.add_option("--domain", options.domain, "The zone's domain")->required();
  app.add_option("--disk", options.disks, "NUMBER=FILE[:ro], once for each disk; the number is its virtual device's")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--state", options.state, "The folder for what the next process goes on with")->required();
  app.add_option("--store", options.store, "Xenstore's socket or device; otherwise the first one that answers");
  app.add_option("--user", options.user,
                 "Become this user when everything is open, without rights, file system and most system calls");
  app.set_version_flag("--version", "krata-block " KRAIT_VERSION);
}

}  // namespace krata::backend
