#include "krait/records/postgresql_server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace krait::records {

namespace {

// Debian's package; the newest that is there.
std::string program_folder() {
  std::string found;
  std::error_code none;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
    if (std::filesystem::exists(version.path() / "bin/initdb")) {
      found = std::max(found, (version.path() / "bin").string());
    }
  }
  return found;
}

}  // namespace

// The server refuses to run as root: the package's own user does it.
int PostgresqlServer::run(const std::string& program, const std::string& arguments) const {
  const std::string user = ::geteuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --clear-groups " : "";
  const std::string command = fmt::format("cd {0} && {1}{2}/{3} {4} >>{0}/log 2>&1 </dev/null", folder_, user,
                                          program_folder(), program, arguments);
  return std::system(command.c_str());
}

std::unique_ptr<PostgresqlServer> PostgresqlServer::start() {
  std::string folder = "/tmp/krait-postgresql.XXXXXX";
  if (program_folder().empty() || ::mkdtemp(folder.data()) == nullptr) {
    std::fprintf(stderr, "PostgreSQL is not installed: apt-get install postgresql-15\n");
    return nullptr;
  }
  std::unique_ptr<PostgresqlServer> server(new PostgresqlServer(folder));
  if (::geteuid() == 0 && std::system(("chown postgres:postgres " + folder).c_str()) != 0) {
    return nullptr;
  }
  if (server->run("initdb", fmt::format("-D {}/data -U krait -A trust --no-sync", folder)) != 0 ||
      !server->start_again()) {
    std::ignore = std::system(fmt::format("cat {}/log >&2", folder).c_str());
    return nullptr;
  }
  return server;
}

bool PostgresqlServer::start_again() {
  return run("pg_ctl", fmt::format("-D {0}/data -w -o \"-k {0} -c listen_addresses='' -c max_connections=20 -c "
                                   "shared_buffers=16MB -c fsync=off\" -l {0}/server.log start",
                                   folder_)) == 0;
}

void PostgresqlServer::stop() { std::ignore = run("pg_ctl", fmt::format("-D {}/data -w -m fast stop", folder_)); }

bool PostgresqlServer::crash_and_restart() {
  std::ignore = run("pg_ctl", fmt::format("-D {}/data -w -m immediate stop", folder_));
  return start_again();
}

PostgresqlServer::~PostgresqlServer() {
  std::ignore = run("pg_ctl", fmt::format("-D {}/data -w -m immediate stop", folder_));
  std::filesystem::remove_all(folder_);
}

std::string PostgresqlServer::make_database(const std::string& name) const {
  std::ignore = run("createdb", fmt::format("-h {} -U krait {}", folder_, name));
  return fmt::format("host={} user=krait dbname={}", folder_, name);
}

}  // namespace krait::records
