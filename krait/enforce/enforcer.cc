#include "krait/enforce/enforcer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "krait/abi/snapshot.h"
#include "krait/compile/compile.h"
#include "krait/config/load.h"
#include "krait/enforce/host_settings.h"
#include "krait/wireguard/route_hints.h"

namespace krait::enforce {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

Result<plan::Plan> plan_from(plan::Files files, const std::string& interface, plan::ClockKeeper& clock) {
  const auto former = datapath::rule_records_in_force(datapath_options(interface));
  const model::KnownTime known = clock.look({files.mesh.file, files.policy.file});
  return plan::make_plan(std::move(files), {.now = known.now, .former = former});
}

const wireguard::PrivateKey* key_of(const Enforcer::Prepared& prepared) {
  return prepared.key ? &*prepared.key : nullptr;
}

}  // namespace

std::string interface_of(const EnforcerOptions& options, const model::Mesh& mesh) {
  return options.guarded_interface.value_or(mesh.host.interface);
}

Result<wireguard::PrivateKey> load_key(const model::Host& host) {
  const std::string& file = host.private_key_file;
  auto key = file.empty() ? wireguard::PrivateKey::load_credential(host.private_key_credential)
                          : wireguard::PrivateKey::load(file);
  if (!key && key.error().code() == ErrorCode::not_found) {
    return Error(
        ErrorCode::invalid_input,
        file.empty() ? key.error().text() : fmt::format("there is no key file {0}; make one: krait keygen {0}", file));
  }
  return key;
}

std::uint32_t unmarked_own_link(const std::string& interface) {
  const auto index = wireguard::link_index(interface);
  return index && datapath::manages(datapath_options(interface), *index) ? *index : 0;
}

Result<Enforcer::Prepared> prepare(const std::string& interface, const model::Mesh& mesh, bool managed,
                                   std::uint32_t own_index) {
  Enforcer::Prepared prepared;
  if (managed) {
    auto key = load_key(mesh.host);
    if (!key) {
      return common::passed_on(key, "read the private key");
    }
    prepared.key = std::move(*key);
  }
  own_index = own_index != 0 || !managed ? own_index : unmarked_own_link(interface);
  auto index = managed ? wireguard::ensure_link(interface, own_index) : wireguard::link_index(interface);
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

datapath::Options datapath_options(const std::string& interface, const plan::Plan& plan, bool managed) {
  datapath::Options options = datapath_options(interface);
  options.only_guards = !managed;
  options.snapshot_pages = plan::pages_of(plan.snapshot);
  options.rules = static_cast<std::uint32_t>(plan.policy.rules.size());
  const model::Limits& limits = plan.mesh.limits;
  constexpr std::uint32_t kPagesAMib = (1U << 20U) / KRAIT_PAGE_BYTES;
  options.max_snapshot_pages = limits.snapshot_mib * kPagesAMib;
  options.tables = {.flows = limits.flows, .pairs = limits.pairs, .fragments = limits.fragments};
  return options;
}

Result<Enforcer> Enforcer::start(EnforcerOptions options) {
  auto files = plan::load_files(options.config_file);
  if (!files) {
    return files.error();
  }
  const std::string interface = interface_of(options, files->mesh);
  auto lock = lock_interface(interface);
  if (!lock) {
    return lock.error();
  }
  plan::ClockKeeper clock;
  auto plan = plan_from(std::move(*files), interface, clock);
  if (!plan) {
    return plan.error();
  }
  if (auto remembered = options.guarded_interface ? Result<void>() : remember_settings(interface, *lock); !remembered) {
    return remembered.error();
  }
  auto prepared = prepare(interface, plan->mesh, !options.guarded_interface);
  if (!prepared) {
    return prepared.error();
  }
  auto datapath = datapath::Datapath::open(datapath_options(interface, *plan, !options.guarded_interface));
  if (!datapath) {
    return common::passed_on(datapath, "open the data path of " + interface);
  }
  Enforcer enforcer(std::move(options), interface, std::move(*lock), std::move(*datapath), std::move(clock));
  if (auto checked = wireguard::check_every_source(); !checked) {
    enforcer.unchecked_sources_ = checked.error().text();
  }
  if (auto done = enforcer.put_in_force(std::move(*plan), *prepared); !done) {
    return done.error();
  }
  enforcer.remember_time();
  return enforcer;
}

// The files say what is in force, and the kernel still has it.
bool Enforcer::is_in_force() const {
  // A peer that goes over to its next key has its addresses moved, and a reload tries again what could not be mended.
  if (lifecycle_.stage() != control::Stage::enforcing || !faults().empty() || awaits_peers_keys()) {
    return false;
  }
  if (!config::is_unchanged(options_.config_file, plan_.mesh.digest) ||
      !config::is_unchanged(plan_.mesh.host.policy_file, plan_.policy.digest)) {
    return false;
  }
  const auto index = wireguard::link_index(interface_);
  if (!index || *index != interface_index_ || !datapath_.active() || !datapath_.is_attached(*index) ||
      datapath_.revision() != last_.revision) {
    return false;
  }
  if (!managed()) {
    return true;
  }
  const auto key = load_key(plan_.mesh.host);
  if (!key) {
    return false;
  }
  const auto applied = wireguard::is_applied(plan_.wireguard, *key);
  return applied && *applied;
}

Result<control::Applied> Enforcer::reload() {
  if (is_in_force()) {
    if (auto followed = follow_clock(); !followed) {
      return followed.error();
    }
    remember_time();
    const auto records = datapath_.rule_records();
    if (!records) {
      return records.error();
    }
    const std::uint32_t mtu_bytes = last_.changes.mtu_bytes;
    last_.changes = {};
    last_.changes.mtu_bytes = mtu_bytes;
    last_.warnings = compile::expired_rules(plan_.policy, {.now = clock_.now().now, .former = *records});
    return last_;
  }
  if (auto named = check_name(); !named) {
    return named.error();
  }
  auto files = plan::load_files(options_.config_file);
  if (!files) {
    return files.error();
  }
  if (const std::string wanted = interface_of(options_, files->mesh); wanted != interface_) {
    return Error(
        ErrorCode::invalid_input,
        fmt::format("{}: the interface changed from {} to {}, which a reload cannot do; run krait down, then krait up",
                    options_.config_file, interface_, wanted));
  }
  auto plan = plan_from(std::move(*files), interface_, clock_);
  if (!plan) {
    return plan.error();
  }
  auto prepared = prepare(interface_, plan->mesh, managed(), interface_index_);
  if (!prepared) {
    return prepared.error();
  }
  if (auto done = put_in_force(std::move(*plan), *prepared); !done) {
    return done.error();
  }
  remember_time();
  return last_;
}

Result<void> Enforcer::put_in_force(plan::Plan plan, const Prepared& prepared) {
  plan::set_revision(plan.snapshot, datapath_.last_revision() + 1);
  // What somebody else manages is in use already: there the policy is switched on before the programs are attached.
  // Where programs of krait's are attached and nobody can say what they judge by, their policy may be in force too.
  const bool may_be_active = datapath_.active() || !datapath_.knows_former();
  const bool is_judged = may_be_active && datapath_.is_attached(prepared.interface_index);
  auto changes = Result<wireguard::Changes>();
  if (is_judged || !managed()) {
    const auto withdrawn = switch_over(plan, prepared);
    if (!withdrawn) {
      return withdrawn.error();
    }
    changes = follow_switch(plan, prepared, *withdrawn);
  } else {
    auto successor = make_room(plan);
    if (!successor) {
      return successor.error();
    }
    if (*successor) {
      datapath_ = std::move(**successor);
    }
    if (auto set = set_ways(datapath_, plan.mesh, prepared.interface_index); !set) {
      return set.error();
    }
    changes = bring_up(plan.wireguard, plan.snapshot.image, prepared);
    if (!changes) {
      return changes.error();
    }
  }
  // The new policy judges even where its peers could not be set up: the next look must not put the former ones back.
  take_over(std::move(plan), changes ? *changes : wireguard::Changes());
  if (!changes) {
    faults_ = {{.what = changes.error().text(), .hint = "krait reload tries again"}};
    return changes.error();
  }
  return {};
}

void Enforcer::take_over(plan::Plan plan, const wireguard::Changes& changes) {
  last_ = {.revision = datapath_.revision(),
           .rules = plan.policy.rules.size(),
           .identities = plan.policy.identities.size(),
           .peers = plan.mesh.peers.size(),
           .changes = changes,
           .warnings = plan.warnings};
  plan.snapshot.image = {};
  plan_ = std::move(plan);
}

Result<wireguard::Changes> Enforcer::bring_up(const model::WireguardImage& wanted, std::span<const std::byte> image,
                                              const Prepared& prepared) {
  auto is_in_kernel = image.empty() ? Result<bool>(true) : datapath_.is_published(image);
  if (!is_in_kernel) {
    return is_in_kernel.error();
  }
  auto done = lifecycle_.go(control::Stage::absent);
  done = done ? datapath_.deny_all() : std::move(done);
  done = done ? attach(datapath_, prepared.interface_index) : std::move(done);
  done = done ? lifecycle_.go(control::Stage::attached) : std::move(done);
  auto changes = done ? wireguard::withdraw(wanted) : done.error();
  auto applied = changes ? wireguard::apply(wanted, key_of(prepared), nullptr) : changes.error();
  if (!applied) {
    return common::passed_on(applied, fmt::format("set up {}; everything on it is denied", interface_));
  }
  key_ = prepared.key ? std::optional(prepared.key->public_key()) : std::nullopt;
  *changes += *applied;
  refused_ = changes->refused;
  clamp_mss_to(changes->mtu_bytes);
  done = lifecycle_.go(control::Stage::peers_loaded);
  if (done) {
    done = *is_in_kernel ? datapath_.resume() : datapath_.publish(image);
  }
  done = done ? lifecycle_.go(control::Stage::enforcing) : std::move(done);
  if (!done) {
    return common::passed_on(done, "switch the policy on; everything is denied");
  }
  return changes;
}

// An address that moves from one peer to another must never be the wrong identity's: it is taken from the old peer
// before the data path switches and given to the new one after.
Result<wireguard::Changes> Enforcer::switch_over(const plan::Plan& plan, const Prepared& prepared) {
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
  return changes;
}

Result<wireguard::Changes> Enforcer::follow_switch(const plan::Plan& plan, const Prepared& prepared,
                                                   wireguard::Changes changes) {
  if (prepared.key) {
    key_ = prepared.key->public_key();
    const bool adopted = plan_.wireguard.interface.empty();
    auto applied = wireguard::apply(plan.wireguard, key_of(prepared), adopted ? nullptr : &plan_.wireguard);
    if (!applied) {
      return common::passed_on(applied, "set up the peers; the new policy is in force");
    }
    changes += *applied;
    refused_ = changes.refused;
  }
  for (const control::Stage stage :
       {control::Stage::attached, control::Stage::peers_loaded, control::Stage::enforcing}) {
    if (lifecycle_.stage() == control::Stage::enforcing) {
      break;
    }
    if (auto stepped = lifecycle_.go(stage); !stepped) {
      return stepped.error();
    }
  }
  clamp_mss_to(changes.mtu_bytes);  // in guard mode packets stay as they are
  return changes;
}

Result<std::optional<datapath::Datapath>> Enforcer::make_room(const plan::Plan& plan) const {
  const datapath::Options wanted = datapath_options(interface_, plan, managed());
  if (datapath_.has_room(wanted)) {
    return std::optional<datapath::Datapath>();
  }
  auto successor = datapath::Datapath::open(wanted);
  if (!successor) {
    return common::passed_on(successor, "make room for the policy; the former one stays in force");
  }
  return std::optional(std::move(*successor));
}

Result<void> Enforcer::judge_by(const plan::Plan& plan, std::optional<datapath::Datapath> successor,
                                std::uint32_t interface_index) {
  datapath::Datapath& next = successor ? *successor : datapath_;
  if (auto set = set_ways(next, plan.mesh, interface_index); !set) {
    return set.error();
  }
  const auto is_in_force = next.is_published(plan.snapshot.image);
  auto published = !is_in_force   ? Result<void>(is_in_force.error())
                   : *is_in_force ? Result<void>()
                                  : next.publish(plan.snapshot.image);
  if (!published) {
    return common::passed_on(published, "switch the policy; the former one stays in force");
  }
  // 0: somebody took away what is only guarded; who brings it back attaches.
  if (auto attached = interface_index != 0 ? attach(next, interface_index) : Result<void>(); !attached) {
    return attached;
  }
  if (successor) {
    datapath_ = std::move(*successor);
  }
  return {};
}

Result<bool> Enforcer::fit_mtu() {
  if (!managed() || interface_index_ == 0 || !check_name()) {
    return false;
  }
  const auto mtu = wireguard::fit_mtu(interface_);
  if (!mtu) {
    return mtu.error();
  }
  clamp_mss_to(mtu->bytes);
  return mtu->changed;
}

void Enforcer::clamp_mss_to(std::uint32_t mtu_bytes) {
  datapath_.clamp_mss_to(mtu_bytes);
  last_.changes.mtu_bytes = mtu_bytes;
}

Result<void> Enforcer::attach(datapath::Datapath& datapath, std::uint32_t interface_index) {
  if (auto attached = datapath.attach(interface_index); !attached) {
    return common::passed_on(attached, "attach to " + interface_);
  }
  interface_index_ = interface_index;
  if (auto pinned = datapath.keep_pins(); !pinned) {
    return common::passed_on(pinned, "pin the data path of " + interface_);
  }
  fence_off(datapath);
  return {};
}

Result<void> Enforcer::drain() {
  if (auto named = check_name(); !named) {
    return named;
  }
  if (auto stepped = lifecycle_.go(control::Stage::draining); !stepped) {
    return stepped;
  }
  if (auto denied = datapath_.deny_all(); !denied) {
    return common::passed_on(denied, "deny everything on " + interface_);
  }
  if (managed()) {
    model::WireguardImage nobody = plan_.wireguard;
    nobody.peers.clear();
    if (auto withdrawn = wireguard::withdraw(nobody); !withdrawn) {
      return common::passed_on(withdrawn, fmt::format("take the peers off {}; everything on it is denied", interface_));
    }
  }
  return lifecycle_.go(control::Stage::attached);
}

Result<void> Enforcer::remove() {
  if (managed() && lifecycle_.stage() != control::Stage::absent) {
    if (auto drained = drain(); !drained) {
      return drained;
    }
    if (auto removed = wireguard::remove_link(interface_); !removed) {
      return common::passed_on(removed, "remove the interface " + interface_);
    }
  }
  const auto left = wireguard::find_link(interface_, 0);
  const std::uint32_t index = left && !is_strangers(*left) ? left->index : 0;
  if (auto removed = remove_datapath(interface_, index); !removed) {
    return removed;
  }
  auto restored = restore_settings(interface_);
  lock_.remove_file();
  auto gone = lifecycle_.go(control::Stage::absent);
  return restored ? std::move(gone) : std::move(restored);
}

}  // namespace krait::enforce
