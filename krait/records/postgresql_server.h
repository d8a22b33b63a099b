// For tests: a PostgreSQL server of Debian's package with a folder of its own, reached over a Unix socket only.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

namespace krait::records {

class PostgresqlServer {
 public:
  // nullptr, and why on standard error: it is not installed or does not start. Waits until it answers.
  static std::unique_ptr<PostgresqlServer> start();
  PostgresqlServer(const PostgresqlServer&) = delete;
  PostgresqlServer& operator=(const PostgresqlServer&) = delete;
  ~PostgresqlServer();

  // For open_postgresql(): an empty database of that name.
  [[nodiscard]] std::string make_database(const std::string& name) const;
  // Ends the server as a crash does, and starts it again.
  [[nodiscard]] bool crash_and_restart();
  void stop();
  [[nodiscard]] bool start_again();

 private:
  explicit PostgresqlServer(std::string folder) : folder_(std::move(folder)) {}
  [[nodiscard]] int run(const std::string& program, const std::string& arguments) const;

  std::string folder_;
};

}  // namespace krait::records
