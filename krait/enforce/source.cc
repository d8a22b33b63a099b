#include "krait/enforce/source.h"

#include <unistd.h>

#include "krait/config/load.h"
#include "krait/enforce/key_files.h"
#include "krait/trust/items.h"

namespace krait::enforce {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

bool has_joined(const EnforcerOptions& options) {
  return !options.joined_file.empty() && ::access(options.joined_file.c_str(), F_OK) == 0;
}

}  // namespace

const std::string& source_file(const EnforcerOptions& options) {
  return has_joined(options) ? options.joined_file : options.config_file;
}

Result<std::string> interface_named(const EnforcerOptions& options) {
  if (has_joined(options)) {
    KRAIT_TRY(const auto host, plan::load_joined_host(options.joined_file));
    return host.interface;
  }
  KRAIT_TRY(const auto mesh, config::load_mesh(options.config_file));
  return mesh.host.interface;
}

Result<model::PublicKey> own_key(const plan::JoinedHost& host) {
  model::Host of_key;
  of_key.private_key_file = host.private_key_file;
  KRAIT_TRY(const auto key, load_key(of_key), "read the private key");
  return key.public_key();
}

control::NetworkState network_state(const plan::SignedFiles& files) {
  return {.id = crypto::hash_text(files.anchor.list.value.network),
          .hosts_revision = files.anchor.hosts_revision,
          .policy_revision = files.anchor.policy_revision,
          .administrators = files.anchor.list.value.version,
          .lease_s = files.settings.lease_s,
          .preshared_keys = files.settings.preshared_keys,
          .confirmed_s = files.confirmed_s,
          .announced_key = files.announced_key,
          .refused = {}};
}

Result<Source> load_source(const EnforcerOptions& options) {
  if (!has_joined(options)) {
    KRAIT_TRY(auto files, plan::load_files(options.config_file));
    return Source{.files = std::move(files), .network = {}};
  }
  if (options.guarded_interface) {
    return Error(ErrorCode::invalid_input,
                 "this host has joined a network, whose interface krait makes: run the agent without --iface");
  }
  KRAIT_TRY(const auto host, plan::load_joined_host(options.joined_file));
  KRAIT_TRY(auto made, plan::load_signed_files(host));
  auto network = network_state(made);
  return Source{.files = std::move(made.files), .network = std::move(network)};
}

}  // namespace krait::enforce
