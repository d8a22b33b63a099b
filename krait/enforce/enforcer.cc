#include "krait/enforce/enforcer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "krait/compile/compile.h"
#include "krait/config/load.h"
#include "krait/enforce/datapath_options.h"
#include "krait/enforce/host_settings.h"
#include "krait/enforce/key_files.h"
#include "krait/enforce/own_link.h"
#include "krait/enforce/source.h"
#include "krait/enforce/steps.h"
#include "krait/enforce/surplus_faults.h"
#include "krait/wireguard/pairs.h"
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

// What can fail before anything but an interface that is down has changed.
struct Prepared {
  std::optional<wireguard::PrivateKey> key;  // none in guard mode
  std::uint32_t interface_index = 0;
};

// What the caller has managed all the while.
struct Own {
  std::uint32_t index = 0;                           // of the link; 0: of none
  const model::WireguardImage* wireguard = nullptr;  // that was completed before
};

// A link that krait did not make is refused when it is to be managed. Completes the plan's keys of pairs.
Result<Prepared> prepare(const std::string& interface, plan::Plan& plan, bool is_managed, Own own) {
  Prepared prepared;
  if (is_managed) {
    KRAIT_TRY(auto key, load_key(plan.mesh.host), "read the private key");
    prepared.key = std::move(key);
    KRAIT_CHECK(wireguard::check_preshared_keys(plan.wireguard));
    KRAIT_CHECK(wireguard::complete_pairs(plan.wireguard, own.wireguard));
    own.index = own.index != 0 ? own.index : unmarked_own_link(interface);
  }
  KRAIT_TRY(auto index, is_managed ? wireguard::ensure_link(interface, own.index) : wireguard::link_index(interface),
            "find the interface " + interface);
  prepared.interface_index = index;
  return prepared;
}

const wireguard::PrivateKey* pointer_to(const std::optional<wireguard::PrivateKey>& key) {
  return key ? &*key : nullptr;
}

}  // namespace

std::string interface_of(const EnforcerOptions& options, const model::Mesh& mesh) {
  return options.guarded_interface.value_or(mesh.host.interface);
}

Result<Enforcer> Enforcer::start(EnforcerOptions options) {
  KRAIT_TRY(auto source, load_source(options));
  const std::string interface = interface_of(options, source.files.mesh);
  const bool is_managed = !options.guarded_interface;
  KRAIT_TRY(auto lock, lock_interface(interface));
  plan::ClockKeeper clock;
  KRAIT_TRY(auto plan, plan_from(std::move(source.files), interface, clock));
  if (auto remembered = is_managed ? remember_settings(interface, lock) : Result<void>(); !remembered) {
    return std::move(remembered.error());
  }
  KRAIT_TRY(auto prepared, prepare(interface, plan, is_managed, {}));
  KRAIT_TRY(auto datapath, datapath::Datapath::open(datapath_options(interface, plan, is_managed)),
            "open the data path of " + interface);
  Enforcer enforcer(std::move(options), std::move(lock),
                    {.interface = interface,
                     .is_managed = is_managed,
                     .datapath = std::move(datapath),
                     .interface_index = prepared.interface_index},
                    std::move(clock));
  if (auto checked = wireguard::check_every_source(); !checked) {
    enforcer.unchecked_sources_ = checked.error().text();
  }
  KRAIT_CHECK(enforcer.put_in_force(std::move(plan), pointer_to(prepared.key)));
  enforcer.network_ = std::move(source.network);
  enforcer.remember_time();
  return enforcer;
}

Result<Enforcer::Ran> Enforcer::reconcile(Goal goal, const plan::Plan& plan, const wireguard::PrivateKey* key,
                                          const MovedTo& moved_to) {
  const bool looks_at_wireguard = goal == Goal::enforce && held_.is_managed;
  const model::WireguardImage* previous = plan_.wireguard.interface.empty() ? nullptr : &plan_.wireguard;
  KRAIT_TRY(auto sight, observe(held_, {.plan = plan,
                                        .revision = last_.revision,
                                        .key = !looks_at_wireguard ? std::nullopt
                                               : key != nullptr    ? std::optional(key->public_key())
                                                                   : held_.key,
                                        .previous = previous,
                                        .moved_to = moved_to}));
  model::WireguardImage nobody;
  nobody.interface = held_.interface;
  const bool is_ending = goal == Goal::deny || goal == Goal::nothing;
  const Wanted wanted{.plan = plan,
                      .wireguard = is_ending ? nobody : plan.wireguard,
                      .key = key,
                      .previous = previous,
                      .present_name = sight.name,
                      .new_home = sight.new_home};
  Work work(held_, wanted);
  const auto planned = steps({.goal = goal, .is_managed = held_.is_managed}, sight.observed);
  Ran ran{std::move(sight), run(planned, work), work.changes(), work.mended()};
  // apply fits the MTU too, and nobody tells of a path MTU that the kernel has learned.
  if (looks_at_wireguard && ran.sight.observed.is_applied && !ran.outcome.failed) {
    auto changed = fit_mtu();
    if (!changed) {
      ran.outcome.failed = FailedStep{.step = Step::apply, .error = std::move(changed.error())};
    }
    ran.changes.device = ran.changes.device || (changed && *changed);
  }
  return ran;
}

Result<void> Enforcer::result_of(Ran ran) const {
  return ran.outcome.failed ? Result<void>(run_error(about(), ran.sight.observed, std::move(ran.outcome)))
                            : Result<void>();
}

// Looked at and not concluded from the steps: one may fail after it has switched.
bool Enforcer::decides(const plan::Plan& plan) const {
  return held_.datapath.is_published(plan.snapshot.image).value_or(false);
}

Result<void> Enforcer::put_in_force(plan::Plan plan, const wireguard::PrivateKey* key) {
  plan::set_revision(plan.snapshot, held_.datapath.last_revision() + 1);
  KRAIT_TRY(auto ran, reconcile(Goal::enforce, plan, key));
  // The new policy decides even where its peers could not be set up: the next look must not put the former ones back.
  if (decides(plan)) {
    goal_ = Goal::enforce;
    take_over(std::move(plan), ran.changes);
    faults_ = step_faults(about(), ran.outcome);
  }
  return result_of(std::move(ran));
}

void Enforcer::take_over(plan::Plan plan, const wireguard::Changes& changes) {
  last_ = {.revision = held_.datapath.revision(),
           .rules = plan.policy.rules.size(),
           .identities = plan.policy.identities.size(),
           .peers = plan.mesh.peers.size(),
           .changes = changes,
           .warnings = plan.warnings};
  last_.changes.mtu_bytes = held_.mtu_bytes;
  plan.snapshot.image = {};
  plan_ = std::move(plan);
}

// The files say what is in force, and the kernel still has it. What could not be put right is tried again.
bool Enforcer::is_unchanged() {
  if (goal_ != Goal::enforce || !faults().empty() ||
      !config::is_unchanged(enforce::source_file(options_), plan_.mesh.digest) ||
      !config::is_unchanged(plan_.mesh.host.policy_file, plan_.policy.digest)) {
    return false;
  }
  // A preshared key's file may hold another one.
  if (std::ranges::any_of(plan_.mesh.peers, [](const auto& peer) { return !peer.preshared_key_file.empty(); })) {
    return false;
  }
  std::optional<model::PublicKey> key;
  if (managed()) {
    const auto loaded = load_key(plan_.mesh.host);
    if (!loaded) {
      return false;
    }
    key = loaded->public_key();
  }
  const auto sight =
      observe(held_, {.plan = plan_, .revision = last_.revision, .key = key, .previous = &plan_.wireguard});
  return sight && sight->observed.place == Place::here && sight->observed.is_attached &&
         sight->observed.is_in_force() && (sight->observed.is_applied || !managed());
}

Result<control::Applied> Enforcer::stay() {
  KRAIT_CHECK(follow_clock());
  remember_time();
  KRAIT_TRY(const auto records, held_.datapath.rule_records());
  last_.changes = {};
  last_.changes.mtu_bytes = held_.mtu_bytes;
  last_.warnings = compile::expired_rules(plan_.policy, {.now = clock_.now().now, .former = records});
  return last_;
}

Result<control::Applied> Enforcer::reload() {
  if (is_unchanged()) {
    return stay();
  }
  KRAIT_CHECK(check_name());
  KRAIT_TRY(auto source, load_source(options_));
  return put_files_in_force(std::move(source.files), std::move(source.network));
}

Result<control::Applied> Enforcer::put_files_in_force(plan::Files files, std::optional<control::NetworkState> network,
                                                      const std::function<Result<void>()>& keep) {
  if (const std::string wanted = interface_of(options_, files.mesh); wanted != interface()) {
    return Error(
        ErrorCode::invalid_input,
        fmt::format("{}: the interface changed from {} to {}, which a reload cannot do; run krait down, then krait up",
                    enforce::source_file(options_), interface(), wanted));
  }
  KRAIT_TRY(auto plan, plan_from(std::move(files), interface(), clock_));
  KRAIT_TRY(auto prepared, prepare(interface(), plan, managed(), {held_.interface_index, &plan_.wireguard}));
  held_.interface_index = prepared.interface_index;
  if (keep) {
    KRAIT_CHECK(keep());
  }
  KRAIT_CHECK(put_in_force(std::move(plan), pointer_to(prepared.key)));
  network_ = std::move(network);
  remember_time();
  return last_;
}

Result<void> Enforcer::check_name() const {
  const auto sight = locate(held_);
  return sight ? enforce::check_name(about(), *sight) : Result<void>();  // what cannot be read is for others to report
}

Inspection Enforcer::inspect(const MovedTo& moved_to) {
  const bool were_refused = !held_.refused.empty();
  auto anew = compile_what_is_lost();
  const bool is_anew = anew && *anew;
  auto ran =
      anew ? reconcile(goal_, is_anew ? **anew : plan_, nullptr, moved_to) : Result<Ran>(std::move(anew.error()));
  if (ran && is_anew) {
    follow_policy(std::move(**anew));
  }
  if (!ran) {
    faults_ = {{.what = ran.error().text(), .hint = {}}};
    return {.mended = {}, .faults = faults()};
  }
  faults_ = place_faults(about(), ran->sight, ran->outcome, held_.was_removed_there);
  std::ranges::move(step_faults(about(), ran->outcome), std::back_inserter(faults_));
  if (!managed() && ran->sight.observed.place == Place::here && !ran->outcome.failed) {
    std::ranges::move(surplus_faults(plan_, interface()), std::back_inserter(faults_));
  }
  return {.mended = tell(*ran, were_refused), .faults = faults()};
}

std::vector<std::string> Enforcer::tell(const Ran& ran, bool were_refused) {
  std::vector<std::string> mended = ran.mended;
  if (ran.outcome.has_done(Step::resume)) {
    const std::string_view what = ran.sight.observed.place == Place::absent ? "was deleted by somebody else: made anew"
                                                                            : "could not be set up before: set up now";
    mended = {fmt::format("{} {} with {} peers", interface(), what, plan_.mesh.peers.size())};
  } else if (ran.changes.any() && goal_ == Goal::enforce) {
    mended.push_back(changes_text(interface(), ran.changes, were_refused));
  }
  for (const std::string& name : held_.surroundings.take_put_back()) {
    mended.push_back(fmt::format("the fence was taken off {} by somebody else: put back", name));
  }
  return mended;
}

std::vector<control::Fault> Enforcer::faults() const {
  std::vector<control::Fault> all = faults_;
  if (held_.interface_index != 0) {
    std::ranges::move(held_.surroundings.faults(), std::back_inserter(all));
  }
  std::ranges::move(refusal_faults(held_.refused), std::back_inserter(all));
  std::ranges::move(pair_faults(plan_), std::back_inserter(all));
  return all;
}

Result<bool> Enforcer::follow_network() {
  // Without the interface there is nothing to follow it for, and what has its name is not to be touched.
  const auto where = wireguard::find_link(interface(), held_.interface_index);
  if (held_.interface_index == 0 || !where || where->index != held_.interface_index) {
    return false;
  }
  const bool is_fence_news = held_.surroundings.fence_off(held_.datapath, held_.interface_index);
  auto is_way_news = held_.surroundings.set_ways(held_.datapath, plan_.mesh, held_.interface_index);
  return is_way_news ? Result<bool>(*is_way_news || is_fence_news) : std::move(is_way_news);
}

Result<bool> Enforcer::fit_mtu() {
  if (!managed() || held_.interface_index == 0 || !check_name()) {
    return false;
  }
  KRAIT_TRY(const auto mtu, wireguard::fit_mtu(interface()));
  held_.mtu_bytes = mtu.bytes;
  held_.datapath.clamp_mss_to(mtu.bytes);
  last_.changes.mtu_bytes = mtu.bytes;
  return mtu.changed;
}

Result<void> Enforcer::drain() {
  KRAIT_CHECK(check_name());
  goal_ = Goal::deny;
  KRAIT_TRY(auto ran, reconcile(Goal::deny, plan_, nullptr));
  return result_of(std::move(ran));
}

Result<void> Enforcer::remove() {
  // Another interface that has the name is left alone; krait's own by another name would stay, and nothing judge it.
  if (const auto sight = locate(held_); sight && sight->observed.place == Place::renamed) {
    KRAIT_CHECK(enforce::check_name(about(), *sight));
  }
  KRAIT_TRY(auto ran, reconcile(Goal::nothing, plan_, nullptr));
  if (ran.outcome.has_done(Step::detach)) {  // until then the interface is this agent's
    lock_.remove_file();
  }
  KRAIT_CHECK(result_of(std::move(ran)));
  held_.interface_index = 0;
  return {};
}

}  // namespace krait::enforce
