#include "krait/agent/enforcer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "krait/config/load.h"

namespace krait::agent {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// Room for the policy to grow before a larger map has to take over: at least 4 MiB a buffer.
constexpr std::uint32_t kLeastPages = 1024;

std::uint32_t pages_with_headroom(std::uint32_t pages) {
  return std::max(kLeastPages, std::bit_ceil(pages + pages / 2));
}

std::string interface_of(const EnforcerOptions& options, const model::Mesh& mesh) {
  return options.guarded_interface.value_or(mesh.host.interface);
}

// Does what can fail without having changed anything but an interface that is down.
Result<Enforcer::Prepared> prepare(const std::string& interface, const model::Mesh& mesh, bool managed) {
  Enforcer::Prepared prepared;
  if (managed) {
    auto key = wireguard::PrivateKey::load(mesh.host.private_key_file);
    if (!key && key.error().code() == ErrorCode::not_found) {
      return Error(ErrorCode::invalid_input,
                   fmt::format("there is no key file {0}; make one: krait keygen {0}", mesh.host.private_key_file));
    }
    if (!key) {
      return common::passed_on(key, "read the private key");
    }
    prepared.key = std::move(*key);
  }
  auto index = managed ? wireguard::ensure_link(interface) : wireguard::link_index(interface);
  if (!index) {
    return common::passed_on(index, "find the interface " + interface);
  }
  prepared.interface_index = *index;
  return prepared;
}

datapath::Options datapath_options(const std::string& interface, std::uint32_t pages) {
  datapath::Options options;
  options.interface = interface;
  options.snapshot_pages = pages;
  return options;
}

}  // namespace

Result<Enforcer> Enforcer::start(EnforcerOptions options) {
  auto plan = make_plan(options.config_file);
  if (!plan) {
    return plan.error();
  }
  const std::string interface = interface_of(options, plan->mesh);
  auto prepared = prepare(interface, plan->mesh, !options.guarded_interface);
  if (!prepared) {
    return prepared.error();
  }
  const std::uint32_t pages = pages_with_headroom(pages_of(plan->snapshot));
  auto datapath = datapath::Datapath::open(datapath_options(interface, pages));
  if (!datapath) {
    return common::passed_on(datapath, "open the data path of " + interface);
  }
  Enforcer enforcer(std::move(options), interface, std::move(*datapath), pages);
  if (auto done = enforcer.put_in_force(std::move(*plan), *prepared); !done) {
    return done.error();
  }
  return enforcer;
}

Result<Applied> Enforcer::reload() {
  auto plan = make_plan(options_.config_file);
  if (!plan) {
    return plan.error();
  }
  if (const std::string wanted = interface_of(options_, plan->mesh); wanted != interface_) {
    return Error(
        ErrorCode::invalid_input,
        fmt::format("{}: the interface changed from {} to {}, which a reload cannot do; run krait down, then krait up",
                    options_.config_file, interface_, wanted));
  }
  auto prepared = prepare(interface_, plan->mesh, managed());
  if (!prepared) {
    return prepared.error();
  }
  if (auto done = put_in_force(std::move(*plan), *prepared); !done) {
    return done.error();
  }
  return last_;
}

Result<void> Enforcer::put_in_force(Plan plan, const Prepared& prepared) {
  set_revision(plan.snapshot, datapath_.revision() + 1);
  auto changes = switch_over(plan, prepared);
  if (!changes) {
    return changes.error();
  }
  last_ = {.revision = datapath_.revision(),
           .rules = plan.policy.rules.size(),
           .identities = plan.policy.identities.size(),
           .peers = plan.mesh.peers.size(),
           .changes = *changes};
  plan.snapshot = {};
  plan_ = std::move(plan);
  return {};
}

// An address that moves from one peer to another must never be the wrong identity's: it is taken from the old peer
// before the data path switches and given to the new one after.
Result<wireguard::Changes> Enforcer::switch_over(const Plan& plan, const Prepared& prepared) {
  if (auto done = make_room(pages_of(plan.snapshot)); !done) {
    return done.error();
  }
  wireguard::Changes changes;
  if (prepared.key) {
    auto withdrawn = wireguard::withdraw(plan.wireguard);
    if (!withdrawn) {
      return common::passed_on(withdrawn, "withdraw peers; the former policy stays in force");
    }
    changes = *withdrawn;
  }
  if (auto published = datapath_.publish(plan.snapshot.image); !published) {
    return common::passed_on(published, "switch the policy; the former one stays in force");
  }
  if (prepared.interface_index != interface_index_ || datapath_.attachment() == datapath::Attachment::none) {
    if (auto attached = datapath_.attach(prepared.interface_index); !attached) {
      return common::passed_on(attached, "attach to " + interface_);
    }
    interface_index_ = prepared.interface_index;
  }
  if (prepared.key) {
    const bool adopted = plan_.wireguard.interface.empty();
    auto applied = wireguard::apply(plan.wireguard, *prepared.key, adopted ? nullptr : &plan_.wireguard);
    if (!applied) {
      return common::passed_on(applied, "set up the peers; the new policy is in force");
    }
    changes.peers_added += applied->peers_added;
    changes.peers_changed += applied->peers_changed;
    changes.peers_removed += applied->peers_removed;
    changes.addresses += applied->addresses;
    changes.routes += applied->routes;
    changes.device = changes.device || applied->device;
  }
  return changes;
}

Result<void> Enforcer::make_room(std::uint32_t pages) {
  if (pages <= pages_) {
    return {};
  }
  const std::uint32_t wanted = pages_with_headroom(pages);
  auto larger = datapath::Datapath::open(datapath_options(interface_, wanted));
  if (!larger) {
    return common::passed_on(larger, "make room for the larger policy; the former one stays in force");
  }
  datapath_ = std::move(*larger);
  pages_ = wanted;
  interface_index_ = 0;  // it takes over when it is attached
  return {};
}

Result<void> Enforcer::remove() {
  if (managed()) {
    if (auto removed = wireguard::remove_link(interface_); !removed) {
      return common::passed_on(removed, "remove the interface " + interface_);
    }
  }
  const auto index = wireguard::link_index(interface_);
  return datapath::Datapath::remove(datapath_options(interface_, pages_), index ? *index : 0);
}

Result<State> Enforcer::state() const {
  auto counters = datapath_.counters();
  if (!counters) {
    return common::passed_on(counters, "read the counters");
  }
  State state;
  state.interface = interface_;
  state.interface_index = interface_index_;
  state.managed = managed();
  state.attachment = datapath_.attachment();
  state.revision = datapath_.revision();
  state.counters = std::move(*counters);
  auto device = wireguard::status(interface_);
  if (!device) {
    return state;  // guarding something that is not WireGuard, or the interface is gone: the counters still stand
  }
  state.public_key = device->public_key;
  std::map<model::PublicKey, const model::Peer*> known;
  for (const model::Peer& peer : plan_.mesh.peers) {
    known.emplace(peer.public_key, &peer);
  }
  for (const wireguard::PeerStatus& peer : device->peers) {
    const auto found = known.find(peer.public_key);
    const bool here = found != known.end();
    state.peers.push_back({here ? found->second->name : "", here ? found->second->identity.name : "", peer});
  }
  return state;
}

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
  auto key = wireguard::PrivateKey::load(mesh->host.private_key_file);
  // Without a key its set-up was interrupted.
  if (device->public_key != model::PublicKey{} && (!key || key->public_key() != device->public_key)) {
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
  const auto datapath = datapath_options(*interface, 0);
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
  return true;
}

}  // namespace krait::agent
