// The program's serving part: sockets, the store and the loop around the service.
#pragma once

#include <cstdint>
#include <string>

#include "common/log.h"
#include "common/result.h"

namespace krait::coordinator {

inline constexpr const char* kDefaultState = "/var/lib/krait-coordinator";
inline constexpr const char* kDefaultSocket = "/run/krait-coordinator/admin.sock";
inline constexpr std::uint16_t kDefaultPort = 7170;

struct ServerOptions {
  std::string state = kDefaultState;       // the folder of network.db and server.pem
  std::string database{};                  // PostgreSQL, as libpq has it; empty: network.db
  std::string socket = kDefaultSocket;     // of administrators
  std::string listen = "[::]:7170";        // where hosts call
  std::string metrics = "127.0.0.1:9518";  // a loopback address; empty: none
};

std::string key_file_of(const ServerOptions& options);
std::string database_file_of(const ServerOptions& options);

// Blocks until SIGTERM or SIGINT.
common::Result<void> serve(const ServerOptions& options, common::Log& log);

}  // namespace krait::coordinator
