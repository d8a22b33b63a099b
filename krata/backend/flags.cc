#include "krata/backend/flags.h"

namespace krata::backend {

namespace {

constexpr const char* kDescription = "Serves the disks of one zone from files and block devices. kratad starts it.";

constexpr const char* kFooter =
    "Example:  krata-block --domain 3 --state zone --disk 51712=ro:root.squashfs --disk 51728=rw:data.img\n"
    "Ends when the domain is gone, and on SIGTERM. Killed and started again it goes on with the same disks.\n"
    "Exit codes: 0 ended, 1 wrong use, 2 failure at run time.";

}  // namespace

void add_flags(common::cli::Command command, Options& options) {
  command.introduce(kDescription, kFooter, "krata-block " KRAIT_VERSION);
  command.option("--domain", options.domain, "The zone's domain", {.required = true});
  command.repeated("--disk", options.disks,
                   "NUMBER=ro:FILE or NUMBER=rw:FILE, once for each disk; the number is its virtual device's",
                   {.required = true});
  command.option("--state", options.state, "The folder for what the next process goes on with", {.required = true});
  command.option("--store", options.store, "Xenstore's socket or device; otherwise the first one that answers");
  command.option("--user", options.user,
                 "Become this user when everything is open, without rights, file system and most system calls");
}

}  // namespace krata::backend
