#include "krata/daemon/host.h"

#include <gtest/gtest.h>

#include "krata/daemon/host_fixture.h"

namespace krata::daemon {
namespace {

class WatchesTest : public testing::Test {
 protected:
  // Returns when the store has told `host_` of all of them.
  void change(const std::string& path, int times) {
    for (int i = 0; i < times; ++i) {
      ASSERT_TRUE(host_.store.client().write(path + "/" + std::to_string(i), ""));
    }
    ASSERT_TRUE(host_.watches->store().find("/"));  // events come before the answers to what is asked after them
  }

  TestHost host_;
};

TEST_F(WatchesTest, ManyChangesAreOne) {
  int calls = 0;
  ASSERT_TRUE(host_.watches->add("/zone", [&] { ++calls; }));
  host_.watches->dispatch();
  EXPECT_EQ(calls, 1) << "at the beginning";
  change("/zone", 100);
  host_.watches->dispatch();
  EXPECT_EQ(calls, 2);
  host_.watches->dispatch();
  EXPECT_EQ(calls, 2);
}

TEST_F(WatchesTest, AFloodOfChangesGoesOnAfterTheOthers) {
  constexpr int kFlood = 2000;
  int calls = 0;
  ASSERT_TRUE(host_.watches->add("/flood", [&] { ++calls; }));
  host_.watches->dispatch();
  calls = 0;
  change("/flood", kFlood);
  host_.watches->dispatch();
  EXPECT_EQ(calls, 4) << "so many turns, of 256 events each";
  host_.run_until([&] { return !host_.watches->store().has_event(); });
  EXPECT_EQ(calls, (kFlood + 255) / 256);
}

// Each look at a change makes the next one: as a zone does that writes as fast as it is looked at.
TEST_F(WatchesTest, WhoseLookMakesTheNextChangeLeavesOthersTheirTurn) {
  int calls = 0;
  bool is_over = false;
  ASSERT_TRUE(host_.watches->add("/circle", [&] {
    ++calls;
    if (!is_over && calls < 1000) {
      EXPECT_TRUE(host_.watches->store().write("/circle", std::to_string(calls)));
    }
  }));
  host_.watches->dispatch();
  ASSERT_LE(calls, 4);
  const int before = calls;
  host_.run_until([&] { return calls > before + 8; });
  is_over = true;
}

TEST_F(WatchesTest, WhoHasGoneIsToldNothing) {
  int calls = 0;
  const auto watch = host_.watches->add("/zone", [&] { ++calls; });
  ASSERT_TRUE(watch);
  change("/zone", 1);
  host_.watches->remove(*watch);
  host_.watches->dispatch();
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace krata::daemon
