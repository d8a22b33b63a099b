#include "krait/enforce/faults.h"

#include <gtest/gtest.h>

#include <array>

namespace krait::enforce {
namespace {

const std::string kInterface = "wg0";

class Refusing final : public StepPort {
 public:
  explicit Refusing(Step refused) : refused_(refused) {}
  common::Result<void> carry_out(Step step) override {
    carried.push_back(step);
    return step == refused_ ? common::Error(common::ErrorCode::system, "no") : common::Result<void>();
  }
  std::vector<Step> carried;

 private:
  Step refused_;
};

TEST(Run, StopsAtTheFirstFailureThatOthersDependOn) {
  Refusing port(Step::publish);
  const std::array planned{PlannedStep{.step = Step::set_ways}, PlannedStep{.step = Step::publish},
                           PlannedStep{.step = Step::apply},
                           PlannedStep{.step = Step::fence, .failing = Failing::is_noted, .in_any_case = true}};
  const Outcome outcome = run(planned, port);
  ASSERT_TRUE(outcome.failed);
  EXPECT_EQ(outcome.failed->step, Step::publish);
  EXPECT_EQ(port.carried, (std::vector{Step::set_ways, Step::publish, Step::fence}));
  EXPECT_EQ(outcome.done, (std::vector{Step::set_ways, Step::fence}));
}

TEST(Run, GoesOnWhereNothingDependsOnWhatFailed) {
  Refusing port(Step::get_ahead);
  const std::array planned{PlannedStep{.step = Step::get_ahead, .failing = Failing::is_noted},
                           PlannedStep{.step = Step::apply}};
  const Outcome outcome = run(planned, port);
  EXPECT_FALSE(outcome.failed);
  ASSERT_EQ(outcome.noted.size(), 1);
  const auto faults = step_faults({.interface = kInterface}, outcome);
  ASSERT_EQ(faults.size(), 1);
  EXPECT_EQ(faults[0].text(), "no; take it off: bpftool net detach");
}

TEST(Run, SaysWhoseNewsTheFailureIs) {
  const Observed judged{.place = Place::here, .is_attached = true, .is_active = true};
  const About about{.interface = kInterface};
  EXPECT_EQ(in_force_text(judged, {}), "the former policy stays in force");
  EXPECT_EQ(in_force_text({}, {}), "nothing is in force yet");
  EXPECT_EQ(in_force_text({}, {.done = {Step::deny}}), "everything is denied");
  Outcome outcome{.done = {Step::publish}};
  outcome.failed = FailedStep{.step = Step::apply, .error = common::Error(common::ErrorCode::system, "no")};
  EXPECT_EQ(run_error(about, judged, std::move(outcome)).text(),
            "wg0: set up peers, addresses and routes; the new policy is in force: no");
}

TEST(PlaceFaults, SayWhereItIsAndWhatToDo) {
  const About about{.interface = kInterface};
  const auto text = [&](const Sight& sight, const Outcome& outcome = {}, bool was_removed = false) {
    const auto faults = place_faults(about, sight, outcome, was_removed);
    return faults.empty() ? std::string() : faults[0].text();
  };
  Sight sight;
  sight.observed.place = Place::renamed;
  sight.name = "wg9";
  EXPECT_TRUE(
      text(sight).starts_with("wg0 was renamed to wg9 by somebody else; it is judged as before; ip link set wg9"));
  EXPECT_EQ(text(sight, {.done = {Step::rename}}), "");
  sight.observed.place = Place::moved;
  EXPECT_NE(text(sight, {}, true).find("it was deleted there; krait reload makes it anew here"), std::string::npos);
  EXPECT_NE(text(sight).find("could not be deleted there"), std::string::npos);
  sight.observed.is_judged_there = true;
  EXPECT_NE(text(sight).find("it is judged there as before"), std::string::npos);
}

TEST(Faults, NameHostsWithWhichNoKeyCanBeComputed) {
  plan::Plan plan;
  EXPECT_TRUE(pair_faults(plan).empty());
  for (std::uint8_t i = 1; i <= 7; ++i) {
    model::Peer peer;
    peer.name = "web" + std::to_string(i);
    peer.public_key = {i};
    plan.mesh.peers.push_back(peer);
    if (i != 3) {
      plan.wireguard.unpaired.push_back(peer.public_key);
    }
  }
  const auto faults = pair_faults(plan);
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_NE(faults[0].what.find("with web1, web2, web4, web5 and 2 more, whose host key is none"), std::string::npos)
      << faults[0].what;
}

}  // namespace
}  // namespace krait::enforce
