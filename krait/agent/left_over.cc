#include "krait/agent/left_over.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "krait/agent/host_settings.h"
#include "krait/config/load.h"

namespace krait::agent {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// The interface that the files manage, after a check that it is theirs: one that something else made must not be
// deleted.
Result<std::string> own_interface(const std::string& config_file) {
  auto mesh = config::load_mesh(config_file);
  if (!mesh) {
    return mesh.error();
  }
  const std::string& interface = mesh->host.interface;
  if (!wireguard::link_index(interface)) {
    return interface;
  }
  auto device = wireguard::status(interface);
  if (!device) {
    return common::passed_on(device, "look at " + interface);
  }
  auto key = load_key(mesh->host);
  const bool has_key = device->public_key != model::PublicKey{};
  if (has_key && !key && !mesh->host.private_key_credential.empty()) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("whether {} is ours shows its key, a credential that only the service has; "
                             "systemctl start krait-agent, then krait down",
                             interface));
  }
  // Without a key its set-up was interrupted.
  if (has_key && (!key || key->public_key() != device->public_key)) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("{0} has another key than {1} says, so it is not ours to delete; "
                             "to stop guarding it: krait down --iface {0}",
                             interface, config_file));
  }
  return interface;
}

}  // namespace

Result<bool> remove_left_over(const EnforcerOptions& options) {
  auto interface =
      options.guarded_interface ? Result<std::string>(*options.guarded_interface) : own_interface(options.config_file);
  if (!interface) {
    return interface.error();
  }
  const bool managed = !options.guarded_interface;
  const auto datapath = datapath_options(*interface);
  if (!datapath::has_pins(datapath) && (!managed || !wireguard::link_index(*interface))) {
    return false;
  }
  if (managed) {
    if (auto removed = wireguard::remove_link(*interface); !removed) {
      return common::passed_on(removed, "remove the interface " + *interface);
    }
  }
  const auto index = wireguard::link_index(*interface);
  if (auto removed = datapath::Datapath::remove(datapath, index ? *index : 0); !removed) {
    return removed.error();
  }
  auto restored = restore_settings(*interface);
  ::unlink(interface_lock_path(*interface).c_str());
  return restored ? Result<bool>(true) : std::move(restored.error());
}

Result<bool> drain_left_over(const EnforcerOptions& options) {
  auto interface =
      options.guarded_interface ? Result<std::string>(*options.guarded_interface) : own_interface(options.config_file);
  if (!interface) {
    return interface.error();
  }
  const auto datapath = datapath_options(*interface);
  if (!datapath::has_pins(datapath)) {
    return false;
  }
  if (auto denied = datapath::Datapath::deny_all_left_over(datapath); !denied) {
    return common::passed_on(denied, "deny everything on " + *interface);
  }
  model::WireguardImage nobody;
  nobody.interface = *interface;
  if (!options.guarded_interface && wireguard::link_index(*interface)) {
    if (auto withdrawn = wireguard::withdraw(nobody); !withdrawn) {
      return common::passed_on(withdrawn, "take the peers off " + *interface);
    }
  }
  return true;
}

}  // namespace krait::agent
