// Debian's xenstored and oxenstored, run without Xen (xen_stand_in.c).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "krata/store/quota.h"
#include "tests/store/wire_client.h"

namespace krata::store {

enum class DaemonKind : std::uint8_t { xenstored, oxenstored };

// A running daemon and the folder in which its domains are files. Move-only; the destructor kills the one and removes
// the other.
class DebianDaemon {
 public:
  // nullptr: the package is not installed, or the daemon does not come up.
  static std::unique_ptr<DebianDaemon> start(DaemonKind kind, const Quota& quota, std::uint32_t domains);
  static bool is_installed(DaemonKind kind);

  DebianDaemon(const DebianDaemon&) = delete;
  DebianDaemon& operator=(const DebianDaemon&) = delete;
  ~DebianDaemon();

  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string socket() const { return folder_ + "/socket"; }
  [[nodiscard]] pid_t process() const { return process_; }

 private:
  DebianDaemon(std::string folder, pid_t process) : folder_(std::move(folder)), process_(process) {}

  std::string folder_;
  pid_t process_;
};

}  // namespace krata::store
