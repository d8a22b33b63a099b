// krait-coordinator init, serve, migrate, backup, restore.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

#include "common/answer.h"
#include "common/event/notify.h"
#include "common/file.h"
#include "krait/coordinator/ask.h"
#include "krait/coordinator/author.h"
#include "krait/coordinator/command.h"
#include "krait/coordinator/found.h"
#include "krait/coordinator/store_ledger.h"

namespace krait::coordinator {

using common::Error;
using common::Result;

namespace {

Json versioned(Json json) {
  json["version"] = common::kAnswerVersion;
  return json;
}

Result<void> init(Founding founding, Output& output) {
  KRAIT_TRY(founding.admin_key_file, admin_key_file(founding.admin_key_file));
  KRAIT_TRY(const auto founded, found_network(founding));
  output.report(
      fmt::format("the network {} is made in {}\n"
                  "the administrator's key is {}: whoever has it may change everything; keep a copy elsewhere\n"
                  "next: krait-coordinator serve, policy apply, token create",
                  founding.name, founding.server.state, founding.admin_key_file),
      versioned({{"name", founding.name},
                 {"network", founded.network},
                 {"server_key", founded.server_key},
                 {"admin_key_file", founding.admin_key_file},
                 {"state", founding.server.state}}));
  return {};
}

void add_init(Shell& shell) {
  auto flags = std::make_shared<Founding>();
  flags->admin_name = "admin";
  flags->name = "krait";
  Command command = shell.command(
      "init", "Make a network",
      "Makes the coordinator's key, the database and the first administrator's key. Hosts believe what that key signs, "
      "and\n"
      "nothing else: where it lies on another machine than the coordinator, the coordinator can grant nobody "
      "anything.\n"
      "Example:  sudo krait-coordinator init --name example --prefix 10.90.0.0/16 --prefix fd90::/64 --address "
      "192.0.2.10:7170");
  command.option("--name", flags->name, "What the network is called");
  command.options("--prefix", flags->prefixes, "Hosts get their addresses out of it; one of IPv4, one of IPv6");
  command.options("--address", flags->addresses, "Where hosts reach a coordinator, for tokens");
  command.option("--admin-key", flags->admin_key_file,
                 "The administrator's key, made where it is missing; ~/.config/krait/admin.key",
                 {.env = "KRAIT_ADMIN_KEY"});
  command.option("--admin-name", flags->admin_name, "What the administrator is called");
  command.flag("--approval", flags->approval, "Hosts that join wait until an administrator approves them");
  add_state_flags(command, flags->server);
  shell.on(command, [flags](Output& output) { return init(*flags, output); });
}

void add_serve(Shell& shell) {
  auto options = std::make_shared<ServerOptions>();
  Command command = shell.command("serve", "Serve hosts and administrators",
                                  "Works until it is told to end; hosts go on with what they have while it does not.\n"
                                  "Example:  krait-coordinator serve --listen 192.0.2.10:7170");
  add_state_flags(command, *options);
  command.option("--listen", options->listen, "Where hosts call", {.env = "KRAIT_COORDINATOR_LISTEN"});
  command.option("--socket", options->socket, "The socket for administrators", {.env = "KRAIT_COORDINATOR_SOCKET"});
  command.option("--metrics", options->metrics, "Where the metrics page is: a loopback address, or nothing",
                 {.env = "KRAIT_COORDINATOR_METRICS"});
  shell.on(command, [options](Output&) -> Result<void> {
    common::Log log("krait-coordinator");
    auto done = serve(*options, log);
    if (!done) {
      common::notify_failed(done.error().text());
    }
    return done;
  });
}

void add_migrate(Shell& shell) {
  auto options = std::make_shared<ServerOptions>();
  Command command = shell.command("migrate", "Bring the store of an older version up to this one's",
                                  "Back it up first: there is no way back. The coordinator must not be running.\n"
                                  "Example:  sudo krait-coordinator migrate");
  add_state_flags(command, *options);
  shell.on(command, [options](Output& output) -> Result<void> {
    KRAIT_TRY(auto database, options->database.empty() ? records::open_sqlite(database_file_of(*options), true)
                                                       : records::open_postgresql(options->database));
    KRAIT_TRY(const auto former, records::Store::migrate(*database));
    output.report(former == records::kSchema
                      ? fmt::format("nothing to do: the store has version {}", former)
                      : fmt::format("the store went from version {} to {}", former, records::kSchema),
                  versioned({{"from", former}, {"to", records::kSchema}}));
    return {};
  });
}

void add_backup(Shell& shell) {
  auto flags = std::make_shared<AdminFlags>();
  auto file = std::make_shared<std::string>();
  Command command =
      shell.command("backup", "Copy the network into a file, while it is served",
                    "The file holds everything but the coordinator's key (server.pem) and the administrators'.\n"
                    "Example:  sudo krait-coordinator backup /var/lib/krait-coordinator/backup.db");
  command.option("FILE", *file, "The file to make, in a folder that the coordinator may write to", {.required = true});
  add_reach_flags(command, *flags);
  shell.on(command, [flags, file](Output& output) -> Result<void> {
    KRAIT_TRY(const auto answer, ask(*flags, {{"request", "backup"}, {"file", *file}}));
    output.report(fmt::format("{}: revision {}", *file, common::number_at(answer, "revision")), answer);
    return {};
  });
}

Result<void> restore(const ServerOptions& options, const std::string& file, Output& output) {
  const std::string to = database_file_of(options);
  std::uint64_t revision = 0;
  {
    KRAIT_TRY(auto database, records::open_sqlite(file, true));
    KRAIT_TRY(auto store, records::Store::open(std::move(database)));
    StoreLedger ledger(store);
    std::vector<fleet::Row> rows;
    KRAIT_TRY(revision, ledger.read_since(0, rows));
    fleet::Network network;
    KRAIT_CHECK(network.absorb(rows), "read the backup");
    KRAIT_CHECK(store.verify_audit());
    if (::access(to.c_str(), F_OK) == 0) {
      // Held while it is replaced: no coordinator serves it.
      KRAIT_TRY(const auto current, records::open_sqlite(to, true));
      const std::string aside = fmt::format("{}.before-{}", to, now_s());
      if (::rename(to.c_str(), aside.c_str()) != 0) {
        return Error::from_errno(errno, "put the present network aside");
      }
    }
    KRAIT_CHECK(store.database().copy_to(to));
  }
  struct stat folder{};
  if (::geteuid() == 0 && ::stat(options.state.c_str(), &folder) == 0) {
    std::ignore = ::chown(to.c_str(), folder.st_uid, folder.st_gid);
    std::ignore = ::chown((to + ".lock").c_str(), folder.st_uid, folder.st_gid);
  }
  ::unlink((file + ".lock").c_str());
  output.report(
      fmt::format(
          "revision {} is restored; hosts that have seen a newer one refuse it until an administrator signs it\n"
          "next: krait-coordinator serve, network sign-anew",
          revision),
      versioned({{"revision", revision}}));
  return {};
}

void add_restore(Shell& shell) {
  auto options = std::make_shared<ServerOptions>();
  auto file = std::make_shared<std::string>();
  Command command = shell.command("restore", "Put a backup in place of the network",
                                  "The coordinator must not be running. What is there is put aside.\n"
                                  "Example:  sudo krait-coordinator restore backup.db");
  command.option("FILE", *file, "What backup made", {.required = true});
  add_state_flags(command, *options);
  shell.on(command, [options, file](Output& output) { return restore(*options, *file, output); });
}

}  // namespace

void add_serve_commands(Shell& shell) {
  add_init(shell);
  add_serve(shell);
  add_migrate(shell);
  add_backup(shell);
  add_restore(shell);
}

}  // namespace krait::coordinator
