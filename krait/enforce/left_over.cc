#include "krait/enforce/left_over.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "krait/config/load.h"
#include "krait/enforce/host_settings.h"

namespace krait::enforce {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct LeftOver {
  std::string interface;
  bool managed = false;  // it is krait's own, to be deleted
};

// An interface that something else made must not be deleted.
Result<void> check_is_own(const std::string& interface) {
  const auto where = wireguard::find_link(interface, 0);
  if (!where || where->is_marked || unmarked_own_link(interface) != 0) {
    return {};
  }
  return Error(ErrorCode::invalid_input,
               fmt::format("{0} is an interface that krait did not make, so it is not ours to delete; to stop guarding "
                           "it: krait down --iface {0}",
                           interface));
}

Result<LeftOver> left_over(const EnforcerOptions& options) {
  if (options.guarded_interface) {
    return LeftOver{.interface = *options.guarded_interface};
  }
  auto mesh = config::load_mesh(options.config_file);
  if (!mesh) {
    return mesh.error();
  }
  const std::string& interface = mesh->host.interface;
  if (datapath::only_guards(datapath_options(interface))) {  // with a key of the files' or without
    return LeftOver{.interface = interface};
  }
  if (auto own = check_is_own(interface); !own) {
    return own.error();
  }
  return LeftOver{.interface = interface, .managed = true};
}

// An agent that lives holds the lock: it was asked at another socket than its own, or its socket is gone.
Result<void> check_is_unlocked(const std::string& interface) {
  if (::access(interface_lock_path(interface).c_str(), F_OK) != 0) {
    return {};
  }
  auto lock = lock_interface(interface);
  if (!lock) {
    return Error(
        ErrorCode::invalid_input,
        fmt::format("an agent that does not answer here keeps {}; name its control socket (krait down --socket "
                    "SOCKET), or end it first (systemctl stop krait-agent)",
                    interface));
  }
  return {};
}

}  // namespace

Result<bool> remove_left_over(const EnforcerOptions& options) {
  auto found = left_over(options);
  if (!found) {
    return found.error();
  }
  const auto& [interface, managed] = *found;
  const auto datapath = datapath_options(interface);
  if (!datapath::has_pins(datapath) && (!managed || !wireguard::link_index(interface))) {
    return false;
  }
  if (auto unlocked = check_is_unlocked(interface); !unlocked) {
    return unlocked.error();
  }
  if (managed) {
    if (auto removed = wireguard::remove_link(interface); !removed) {
      return common::passed_on(removed, "remove the interface " + interface);
    }
  }
  const auto index = wireguard::link_index(interface);
  if (auto removed = remove_datapath(interface, index ? *index : 0); !removed) {
    return removed.error();
  }
  auto restored = restore_settings(interface);
  ::unlink(interface_lock_path(interface).c_str());
  return restored ? Result<bool>(true) : std::move(restored.error());
}

Result<bool> drain_left_over(const EnforcerOptions& options) {
  auto found = left_over(options);
  if (!found) {
    return found.error();
  }
  const auto& [interface, managed] = *found;
  const auto datapath = datapath_options(interface);
  if (!datapath::has_pins(datapath)) {
    return false;
  }
  if (auto unlocked = check_is_unlocked(interface); !unlocked) {
    return unlocked.error();
  }
  if (auto denied = datapath::Datapath::deny_all_left_over(datapath); !denied) {
    return common::passed_on(denied, "deny everything on " + interface);
  }
  model::WireguardImage nobody;
  nobody.interface = interface;
  if (managed && wireguard::link_index(interface)) {
    if (auto withdrawn = wireguard::withdraw(nobody); !withdrawn) {
      return common::passed_on(withdrawn, "take the peers off " + interface);
    }
  }
  return true;
}

}  // namespace krait::enforce
