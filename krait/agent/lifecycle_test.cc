#include "krait/agent/lifecycle.h"

#include <gtest/gtest.h>

#include <array>

namespace krait::agent {
namespace {

constexpr std::array kStages{Stage::absent, Stage::attached, Stage::peers_loaded, Stage::enforcing, Stage::draining};

TEST(Lifecycle, GoesThroughEveryStageInOrder) {
  Lifecycle lifecycle;
  for (const Stage stage : {Stage::attached, Stage::peers_loaded, Stage::enforcing, Stage::draining, Stage::absent}) {
    EXPECT_TRUE(lifecycle.go(stage));
    EXPECT_EQ(lifecycle.stage(), stage);
  }
}

TEST(Lifecycle, NoPeersWithoutAProgramAndNoPolicyWithoutEither) {
  Lifecycle lifecycle;
  EXPECT_FALSE(lifecycle.go(Stage::peers_loaded));
  EXPECT_FALSE(lifecycle.go(Stage::enforcing));
  EXPECT_FALSE(lifecycle.go(Stage::draining));
  EXPECT_EQ(lifecycle.stage(), Stage::absent);
  EXPECT_TRUE(lifecycle.go(Stage::attached));
  const auto refused = lifecycle.go(Stage::enforcing);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text(), "enforcing cannot follow attached");
}

TEST(Lifecycle, WhatDrainsIsNotOpenedAgainOnTheWay) {
  EXPECT_FALSE(may_follow(Stage::draining, Stage::enforcing));
  EXPECT_FALSE(may_follow(Stage::draining, Stage::peers_loaded));
  EXPECT_TRUE(may_follow(Stage::draining, Stage::attached)) << "down --keep-enforcing";
}

TEST(Lifecycle, AnInterfaceMayVanishAtAnyTimeAndStayingIsNoStep) {
  for (const Stage stage : kStages) {
    EXPECT_TRUE(may_follow(stage, Stage::absent));
  }
  Lifecycle lifecycle;
  EXPECT_TRUE(lifecycle.go(Stage::absent));
  EXPECT_TRUE(lifecycle.go(Stage::attached));
  EXPECT_TRUE(lifecycle.go(Stage::attached));
}

}  // namespace
}  // namespace krait::agent
