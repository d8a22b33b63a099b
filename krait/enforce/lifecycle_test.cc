#include "krait/enforce/lifecycle.h"

#include <gtest/gtest.h>

#include <array>

namespace krait::enforce {
namespace {

constexpr std::array kStages{control::Stage::absent, control::Stage::attached, control::Stage::peers_loaded,
                             control::Stage::enforcing, control::Stage::draining};

TEST(Lifecycle, GoesThroughEveryStageInOrder) {
  Lifecycle lifecycle;
  for (const control::Stage stage : {control::Stage::attached, control::Stage::peers_loaded, control::Stage::enforcing,
                                     control::Stage::draining, control::Stage::absent}) {
    EXPECT_TRUE(lifecycle.go(stage));
    EXPECT_EQ(lifecycle.stage(), stage);
  }
}

TEST(Lifecycle, NoPeersWithoutAProgramAndNoPolicyWithoutEither) {
  Lifecycle lifecycle;
  EXPECT_FALSE(lifecycle.go(control::Stage::peers_loaded));
  EXPECT_FALSE(lifecycle.go(control::Stage::enforcing));
  EXPECT_FALSE(lifecycle.go(control::Stage::draining));
  EXPECT_EQ(lifecycle.stage(), control::Stage::absent);
  EXPECT_TRUE(lifecycle.go(control::Stage::attached));
  const auto refused = lifecycle.go(control::Stage::enforcing);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text(), "enforcing cannot follow attached");
}

TEST(Lifecycle, WhatDrainsIsNotOpenedAgainOnTheWay) {
  EXPECT_FALSE(may_follow(control::Stage::draining, control::Stage::enforcing));
  EXPECT_FALSE(may_follow(control::Stage::draining, control::Stage::peers_loaded));
  EXPECT_TRUE(may_follow(control::Stage::draining, control::Stage::attached)) << "down --keep-enforcing";
}

TEST(Lifecycle, AnInterfaceMayVanishAtAnyTimeAndStayingIsNoStep) {
  for (const control::Stage stage : kStages) {
    EXPECT_TRUE(may_follow(stage, control::Stage::absent));
  }
  Lifecycle lifecycle;
  EXPECT_TRUE(lifecycle.go(control::Stage::absent));
  EXPECT_TRUE(lifecycle.go(control::Stage::attached));
  EXPECT_TRUE(lifecycle.go(control::Stage::attached));
}

}  // namespace
}  // namespace krait::enforce
