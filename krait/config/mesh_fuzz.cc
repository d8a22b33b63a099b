// Fuzz target: any bytes as krait.toml.
#include <bit>
#include <cstdint>
#include <set>

#include "krait/config/fuzz_checks.h"
#include "krait/config/load.h"

namespace krait::config {

namespace {

void require_prefixes(const std::vector<model::Address>& addresses, const std::vector<model::Route>& routes,
                      std::set<common::Prefix>& seen) {
  require(!addresses.empty(), "a host has an address");
  for (const model::Address& address : addresses) {
    require(seen.insert(common::Prefix::host(address.ip)).second, "an address belongs to one host");
  }
  for (const model::Route& route : routes) {
    require(!route.prefix.has_host_bits(), "a route has no host bits");
    require(seen.insert(route.prefix).second, "a prefix belongs to one host");
  }
}

void require_mesh(const model::Mesh& mesh) {
  std::set<common::Prefix> seen;
  std::set<model::PublicKey> keys;
  std::set<std::string> names{mesh.host.name};
  require_prefixes(mesh.host.addresses, mesh.host.routes, seen);
  require(!mesh.host.interface.empty() && mesh.host.interface.size() <= 15, "the interface has a name");
  require(mesh.host.listen_port != 0, "the port is one");
  for (const model::Peer& peer : mesh.peers) {
    require_prefixes(peer.addresses, peer.routes, seen);
    require(keys.insert(peer.public_key).second, "a key belongs to one peer");
    require(names.insert(peer.name).second, "a name belongs to one host");
  }
  for (const model::LimitKey& key : model::kLimitKeys) {
    const std::uint32_t limit = mesh.limits.*key.value;
    require(limit >= key.least && limit <= key.most, "a limit lies in its range");
    require(!key.power_of_two || std::has_single_bit(limit), "a size is a power of two where it must be");
  }
}

}  // namespace

}  // namespace krait::config

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto mesh = krait::config::parse_mesh({reinterpret_cast<const char*>(data), size}, "dir/k.toml");
  if (mesh) {
    krait::config::require_mesh(*mesh);
  } else {
    krait::config::require_findings(mesh.error());
  }
  return 0;
}
