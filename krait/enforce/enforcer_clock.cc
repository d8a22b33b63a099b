// The rules' calendar and the clock.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "krait/enforce/datapath_options.h"
#include "krait/enforce/enforcer.h"

namespace krait::enforce {

using common::Result;

namespace {

// Read one after the other, the two clocks differ by less; a clock that is slewed is slewed with the other one.
constexpr std::int64_t kSameNs = 100'000'000;

bool ends_by_calendar(const model::Rule& rule) {
  return rule.lease_ends_s || (rule.expires && rule.expires->kind == model::Expiry::Kind::at);
}

// The time when the machine started. It moves when somebody sets the clock, and with what else tells the time.
std::int64_t start_ns(const common::Moment& moment) {
  return moment.unix_ns - static_cast<std::int64_t>(moment.boot_ns);
}

control::Fault wrong_clock(const model::KnownTime& time, const plan::ClockKeeper& clock) {
  const std::string forget =
      clock.trouble().empty() ? fmt::format("rm {} && krait reload", clock.path()) : "end the agent and start it again";
  switch (time.source) {
    case model::TimeSource::build:
      return {.what = "the clock is wrong: it says a time before this krait was made, and rules end as if it were then",
              .hint = "set the clock"};
    case model::TimeSource::file:
      return {.what = fmt::format("the clock is wrong, or was: {} was changed later than it says, and rules end as if "
                                  "it were then",
                                  time.file),
              .hint = fmt::format("set the clock; if the file's time is wrong: touch {} && {}", time.file, forget)};
    case model::TimeSource::earlier:
    case model::TimeSource::clock:
      break;
  }
  return {.what = "the clock is wrong, or was: it was later before, and rules end as if it had not been set back",
          .hint = fmt::format("set the clock; if it is right now: {}", forget)};
}

}  // namespace

Result<plan::Plan> Enforcer::compile_anew() {
  const auto former = datapath::rule_records_in_force(datapath_options(interface()));
  auto plan = plan::compile_again(plan_, {.now = clock_.now().now, .former = former});
  if (plan) {
    plan->wireguard = plan_.wireguard;  // of the same mesh, and complete: see wireguard/pairs.h
    plan::set_revision(plan->snapshot, held_.datapath.last_revision() + 1);
  }
  return plan;
}

Result<std::optional<plan::Plan>> Enforcer::compile_what_is_lost() {
  if (goal_ != Goal::enforce || held_.datapath.held_revision() == last_.revision) {
    return std::optional<plan::Plan>();
  }
  auto plan = compile_anew();
  return plan ? Result<std::optional<plan::Plan>>(std::move(*plan)) : std::move(plan.error());
}

void Enforcer::follow_policy(plan::Plan plan) {
  if (!decides(plan)) {
    return;
  }
  plan_.snapshot.rule_of_record = std::move(plan.snapshot.rule_of_record);
  plan_.compiled = plan.compiled;
  last_.revision = held_.datapath.revision();
  last_.warnings = std::move(plan.warnings);
}

Result<bool> Enforcer::follow_clock() {
  const model::KnownTime known = clock_.look({plan_.mesh.file, plan_.policy.file});
  // What is denied as a whole is compiled again once it is not.
  if (!held_.datapath.active() || std::ranges::none_of(plan_.policy.rules, ends_by_calendar) ||
      std::abs(start_ns(known.now) - start_ns(plan_.compiled)) < kSameNs) {
    return false;
  }
  KRAIT_TRY(auto plan, compile_anew());
  KRAIT_TRY(auto ran, reconcile(Goal::enforce_policy, plan, nullptr));
  follow_policy(std::move(plan));
  KRAIT_CHECK(result_of(std::move(ran)));
  return true;
}

// Looks first: who took the record away wants what it held forgotten.
void Enforcer::remember_time() {
  clock_.look({plan_.mesh.file, plan_.policy.file});
  clock_.save();
}

std::vector<control::Fault> Enforcer::time_faults() const {
  std::vector<control::Fault> faults;
  if (std::ranges::none_of(plan_.policy.rules, ends_by_calendar)) {
    return faults;
  }
  if (const model::KnownTime time = clock_.now(); time.clock_is_wrong()) {
    faults.push_back(wrong_clock(time, clock_));
  }
  if (!clock_.trouble().empty()) {
    faults.push_back({.what = "the latest time is not kept: " + clock_.trouble(),
                      .hint = fmt::format("let the agent's user, and nobody else, write {} in a folder that is there; "
                                          "until then what a calendar time has ended may begin again after a restart "
                                          "with a wrong clock",
                                          clock_.path())});
  }
  return faults;
}

}  // namespace krait::enforce
