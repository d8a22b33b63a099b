#include "krata/cli/detach_keys.h"

#include <gtest/gtest.h>

namespace krata::cli {
namespace {

TEST(DetachKeys, OneByOneAsATerminalHandsThemOn) {
  DetachKeys keys;
  EXPECT_EQ(keys.take("l").text, "l");
  const auto first = keys.take("\x10");
  EXPECT_EQ(first.text, "");
  EXPECT_FALSE(first.detaches);
  EXPECT_TRUE(keys.take("\x11").detaches);
}

TEST(DetachKeys, BothAtOnceAndBehindOthers) {
  DetachKeys keys;
  const auto typed = keys.take("ls\n\x10\x11");
  EXPECT_EQ(typed.text, "ls\n");
  EXPECT_TRUE(typed.detaches);
}

TEST(DetachKeys, TheFirstAloneIsTheZones) {
  DetachKeys keys;
  EXPECT_EQ(keys.take("\x10").text, "");
  EXPECT_EQ(keys.take("x").text, "\x10x");
  EXPECT_EQ(keys.take("\x10\x10").text, "\x10");
  EXPECT_TRUE(keys.take("\x11").detaches);
  EXPECT_FALSE(DetachKeys().take("\x11").detaches);
}

}  // namespace
}  // namespace krata::cli
