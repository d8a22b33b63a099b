#include "krait/enforce/steps.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

#include "common/file.h"

namespace krait::enforce {
namespace {

std::string text(const Desired& desired, const Observed& observed) {
  std::string text;
  for (const PlannedStep& planned : steps(desired, observed)) {
    text += std::string(text.empty() ? "" : " ") + std::string(name_of(planned.step));
  }
  return text;
}

// The orders themselves are simulation_test.cc's; here is which of them applies when.
TEST(Steps, AnInterfaceThatNobodyJudgesYetIsShutBeforeItHasPeers) {
  EXPECT_EQ(text({}, {.place = Place::here}),
            "make_link set_ways deny attach pin get_ahead fence withdraw apply publish");
  EXPECT_EQ(text({}, {.place = Place::absent, .is_active = true, .has_policy = true}),
            "make_link set_ways deny attach pin get_ahead fence withdraw apply resume");
}

TEST(Steps, OneThatWasLeftHalfUpGoesOnWithThePolicyThatIsInTheKernel) {
  EXPECT_EQ(text({}, {.place = Place::here, .is_attached = true, .has_policy = true}),
            "make_link set_ways deny attach pin get_ahead fence withdraw apply resume");
}

TEST(Steps, OneThatIsJudgedSwitchesUnderTraffic) {
  const Observed judged{.place = Place::here, .is_attached = true, .is_active = true};
  EXPECT_EQ(text({}, judged), "withdraw set_ways publish attach pin get_ahead fence apply");
  Observed too_small = judged;
  too_small.has_room = false;
  EXPECT_EQ(text({}, too_small), "make_room withdraw set_ways publish attach pin get_ahead fence apply");
  Observed same_peers = judged;
  same_peers.is_applied = true;
  EXPECT_EQ(text({}, same_peers), "set_ways publish attach pin get_ahead fence");
}

TEST(Steps, MapsOfAnotherVersionThatDecideAreSwitchedFromToo) {
  EXPECT_EQ(text({}, {.place = Place::here, .is_attached = true, .may_other_decide = true}),
            "withdraw set_ways publish attach pin get_ahead fence apply");
}

TEST(Steps, WhatIsOnlyGuardedIsNeverDeniedNorGivenPeers) {
  const Desired guarded{.is_managed = false};
  EXPECT_EQ(text(guarded, {.place = Place::here}), "set_ways publish attach pin get_ahead fence");
  EXPECT_EQ(text(guarded, {.place = Place::absent, .is_active = true, .has_policy = true}), "open_fence");
  EXPECT_EQ(text({.goal = Goal::nothing, .is_managed = false}, {.place = Place::here}), "detach restore");
}

TEST(Steps, WhatIsInForceIsPutRightWithoutASwitch) {
  Observed in_force{
      .place = Place::here, .is_attached = true, .is_active = true, .has_policy = true, .is_applied = true};
  EXPECT_EQ(text({}, in_force), "attach get_ahead pin set_ways fence");
  in_force.is_applied = false;
  EXPECT_EQ(text({}, in_force), "attach get_ahead pin set_ways fence withdraw apply");
  in_force.place = Place::renamed;
  EXPECT_EQ(text({}, in_force), "attach get_ahead pin set_ways fence rename withdraw apply");
}

TEST(Steps, AStrangersLinkAndOneThatMovedAreLeftAlone) {
  const Observed active{.place = Place::taken, .is_active = true, .has_policy = true};
  EXPECT_EQ(text({}, active), "");
  Observed moved = active;
  moved.place = Place::moved;
  EXPECT_EQ(text({}, moved), "remove_there");
  moved.is_judged_there = true;
  EXPECT_EQ(text({}, moved), "");
}

TEST(Steps, TheClockChangesThePolicyAlone) {
  const Desired policy{.goal = Goal::enforce_policy};
  EXPECT_EQ(text(policy, {.place = Place::here, .is_attached = true, .is_active = true}),
            "set_ways publish attach pin get_ahead fence");
  EXPECT_EQ(text(policy, {.place = Place::here, .is_attached = true}), "") << "everything is denied";
  EXPECT_EQ(text(policy, {.place = Place::moved, .is_judged_there = true, .is_active = true}), "set_ways publish");
}

TEST(Steps, TheEndShutsFirst) {
  const Observed in_force{.place = Place::here, .is_attached = true, .is_active = true};
  EXPECT_EQ(text({.goal = Goal::deny}, in_force), "deny withdraw");
  EXPECT_EQ(text({.goal = Goal::nothing}, in_force), "deny withdraw remove_link detach restore");
}

struct Situation {
  std::string_view what;
  Desired desired;
  Observed observed;
};

// docs/lifecycle.md has a row for each of these.
TEST(LifecyclePage, HasEveryOrder) {
  const Observed judged{.place = Place::here, .is_attached = true, .is_active = true};
  const Observed in_force{.place = Place::here, .is_attached = true, .is_active = true, .has_policy = true};
  const std::array situations{
      Situation{"nothing decides yet", {}, {.place = Place::here}},
      Situation{"it was left half up, or deleted", {}, {.place = Place::here, .is_attached = true, .has_policy = true}},
      Situation{"another policy is in force", {}, judged},
      Situation{"the policy is in force", {}, in_force},
      Situation{"only guarded, another policy or none", {.is_managed = false}, {.place = Place::here}},
      Situation{"the clock was set", {.goal = Goal::enforce_policy}, judged},
      Situation{"`krait down --keep-enforcing`", {.goal = Goal::deny}, judged},
      Situation{"`krait down`", {.goal = Goal::nothing}, judged},
      Situation{"`krait down`, only guarded", {.goal = Goal::nothing, .is_managed = false}, judged},
  };
  const auto page = common::read_file("docs/lifecycle.md", std::size_t{1} << 20U);
  ASSERT_TRUE(page) << page.error().text();
  for (const Situation& situation : situations) {
    const std::string row = fmt::format("| {} | {} |", situation.what, text(situation.desired, situation.observed));
    EXPECT_NE(page->find(row), std::string::npos) << "docs/lifecycle.md lacks: " << row;
  }
#define KRAIT_STEP(name, doing) \
  EXPECT_NE(page->find("| `" #name "` | " doing), std::string::npos) << "docs/lifecycle.md lacks a row of " #name;
  KRAIT_STEPS(KRAIT_STEP)
#undef KRAIT_STEP
}

}  // namespace
}  // namespace krait::enforce
