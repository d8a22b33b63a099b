#include "krait/agent/enforcer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "krait/abi/snapshot.h"
#include "krait/config/load.h"

namespace krait::agent {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

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

datapath::Options datapath_options(const std::string& interface) {
  datapath::Options options;
  options.interface = interface;
  return options;
}

datapath::Options datapath_options(const std::string& interface, const Plan& plan) {
  datapath::Options options = datapath_options(interface);
  options.snapshot_pages = pages_of(plan.snapshot);
  options.rules = static_cast<std::uint32_t>(plan.policy.rules.size());
  const model::Limits& limits = plan.mesh.limits;
  constexpr std::uint32_t kPagesAMib = (1U << 20U) / KRAIT_PAGE_BYTES;
  options.most_snapshot_pages = limits.snapshot_mib * kPagesAMib;
  options.tables = {.flows = limits.flows, .pairs = limits.pairs, .fragments = limits.fragments};
  return options;
}

Result<Plan> plan_from(Files files, const std::string& interface) {
  const auto former = datapath::rule_records_in_force(datapath_options(interface));
  return make_plan(std::move(files), {.now = common::now(), .former = former});
}

}  // namespace

Result<Enforcer> Enforcer::start(EnforcerOptions options) {
  auto files = load_files(options.config_file);
  if (!files) {
    return files.error();
  }
  const std::string interface = interface_of(options, files->mesh);
  auto plan = plan_from(std::move(*files), interface);
  if (!plan) {
    return plan.error();
  }
  auto prepared = prepare(interface, plan->mesh, !options.guarded_interface);
  if (!prepared) {
    return prepared.error();
  }
  auto datapath = datapath::Datapath::open(datapath_options(interface, *plan));
  if (!datapath) {
    return common::passed_on(datapath, "open the data path of " + interface);
  }
  Enforcer enforcer(std::move(options), interface, std::move(*datapath));
  if (auto done = enforcer.put_in_force(std::move(*plan), *prepared); !done) {
    return done.error();
  }
  return enforcer;
}

// The files say what is in force, and the kernel still has it.
bool Enforcer::is_in_force() const {
  if (!config::is_unchanged(options_.config_file, plan_.mesh.digest) ||
      !config::is_unchanged(plan_.mesh.host.policy_file, plan_.policy.digest)) {
    return false;
  }
  const auto index = wireguard::link_index(interface_);
  if (!index || *index != interface_index_ || datapath_.attachment() == datapath::Attachment::none) {
    return false;
  }
  if (!managed()) {
    return true;
  }
  const auto key = wireguard::PrivateKey::load(plan_.mesh.host.private_key_file);
  if (!key) {
    return false;
  }
  const auto applied = wireguard::is_applied(plan_.wireguard, *key);
  return applied && *applied;
}

Result<Applied> Enforcer::reload() {
  if (is_in_force()) {
    last_.changes = {.mtu_bytes = last_.changes.mtu_bytes};
    last_.warnings = compile::expired_rules(plan_.policy, {.now = common::now(), .former = datapath_.rule_records()});
    return last_;
  }
  auto files = load_files(options_.config_file);
  if (!files) {
    return files.error();
  }
  if (const std::string wanted = interface_of(options_, files->mesh); wanted != interface_) {
    return Error(
        ErrorCode::invalid_input,
        fmt::format("{}: the interface changed from {} to {}, which a reload cannot do; run krait down, then krait up",
                    options_.config_file, interface_, wanted));
  }
  auto plan = plan_from(std::move(*files), interface_);
  if (!plan) {
    return plan.error();
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
           .changes = *changes,
           .warnings = plan.warnings};
  plan.snapshot.image = {};
  plan_ = std::move(plan);
  return {};
}

// An address that moves from one peer to another must never be the wrong identity's: it is taken from the old peer
// before the data path switches and given to the new one after.
Result<wireguard::Changes> Enforcer::switch_over(const Plan& plan, const Prepared& prepared) {
  auto successor = make_room(plan);
  if (!successor) {
    return successor.error();
  }
  wireguard::Changes changes;
  if (prepared.key) {
    auto withdrawn = wireguard::withdraw(plan.wireguard);
    if (!withdrawn) {
      return common::passed_on(withdrawn, "withdraw peers; the former policy stays in force");
    }
    changes = *withdrawn;
  }
  if (auto judged = judge_by(plan, std::move(*successor), prepared.interface_index); !judged) {
    return judged.error();
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
    changes.mtu_bytes = applied->mtu_bytes;
  }
  datapath_.clamp_mss_to(changes.mtu_bytes);  // in guard mode packets stay as they are
  return changes;
}

Result<std::optional<datapath::Datapath>> Enforcer::make_room(const Plan& plan) const {
  const datapath::Options wanted = datapath_options(interface_, plan);
  if (datapath_.has_room(wanted)) {
    return std::optional<datapath::Datapath>();
  }
  auto successor = datapath::Datapath::open(wanted);
  if (!successor) {
    return common::passed_on(successor, "make room for the policy; the former one stays in force");
  }
  return std::optional(std::move(*successor));
}

Result<void> Enforcer::judge_by(const Plan& plan, std::optional<datapath::Datapath> successor,
                                std::uint32_t interface_index) {
  datapath::Datapath& next = successor ? *successor : datapath_;
  if (auto published = next.publish(plan.snapshot.image); !published) {
    return common::passed_on(published, "switch the policy; the former one stays in force");
  }
  if (interface_index != interface_index_ || next.attachment() == datapath::Attachment::none) {
    if (auto attached = next.attach(interface_index); !attached) {
      return common::passed_on(attached, "attach to " + interface_);
    }
  }
  interface_index_ = interface_index;
  if (successor) {
    datapath_ = std::move(*successor);
  }
  return {};
}

Result<bool> Enforcer::fit_mtu() {
  if (!managed()) {
    return false;
  }
  const auto mtu = wireguard::fit_mtu(interface_);
  if (!mtu) {
    return mtu.error();
  }
  datapath_.clamp_mss_to(mtu->bytes);
  last_.changes.mtu_bytes = mtu->bytes;
  return mtu->changed;
}

Result<void> Enforcer::clock_was_set() {
  const bool matters =
      std::ranges::any_of(plan_.policy.rules, [](const model::Rule& rule) { return rule.expires.has_value(); });
  if (!matters) {
    return {};
  }
  auto plan = plan_from({.mesh = plan_.mesh, .policy = plan_.policy}, interface_);
  if (!plan) {
    return plan.error();
  }
  set_revision(plan->snapshot, datapath_.revision() + 1);
  auto successor = make_room(*plan);
  auto done = successor ? judge_by(*plan, std::move(*successor), interface_index_) : successor.error();
  if (!done) {
    return done;
  }
  plan_.snapshot.rule_of_record = std::move(plan->snapshot.rule_of_record);
  last_.revision = datapath_.revision();
  last_.warnings = std::move(plan->warnings);
  return {};
}

Result<Rules> Enforcer::rules() const {
  auto counts = datapath_.rule_counts();
  if (!counts) {
    return common::passed_on(counts, "read the rules' counters");
  }
  Rules rules{.interface = interface_, .revision = datapath_.revision(), .of_rule = {}};
  rules.of_rule.resize(plan_.policy.rules.size());
  const auto& rule_of_record = plan_.snapshot.rule_of_record;
  for (std::uint32_t number = 0; number < rule_of_record.size() && number < counts->size(); ++number) {
    if (rule_of_record[number] != compile::kNoRule) {
      rules.of_rule[rule_of_record[number]] = {.number = number, .count = (*counts)[number], .expires_in_s = {}};
    }
  }
  const auto left_ns = compile::time_left_ns(plan_.policy, {.now = common::now(), .former = datapath_.rule_records()});
  for (std::size_t i = 0; i < rules.of_rule.size(); ++i) {
    if (left_ns[i] != compile::kNever) {
      rules.of_rule[i].expires_in_s = left_ns[i] / 1'000'000'000;
    }
  }
  return rules;
}

Result<void> Enforcer::remove() {
  if (managed()) {
    if (auto removed = wireguard::remove_link(interface_); !removed) {
      return common::passed_on(removed, "remove the interface " + interface_);
    }
  }
  const auto index = wireguard::link_index(interface_);
  return datapath::Datapath::remove(datapath_options(interface_), index ? *index : 0);
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
  return true;
}

}  // namespace krait::agent
