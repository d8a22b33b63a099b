#include "common/hash.h"

#include <gtest/gtest.h>

#include <array>

namespace common {
namespace {

// Vectors that its authors publish.
TEST(Fnv1a, HasItsKnownValues) {
  EXPECT_EQ(fnv1a(""), 0xcbf29ce484222325U);
  EXPECT_EQ(fnv1a("a"), 0xaf63dc4c8601ec8cU);
  EXPECT_EQ(fnv1a("foobar"), 0x85944171f73967e8U);
  EXPECT_EQ(fnv1a_32(""), 0x811c9dc5U);
  EXPECT_EQ(fnv1a_32("a"), 0xe40c292cU);
  EXPECT_EQ(fnv1a_32("foobar"), 0xbf9cf968U);
}

TEST(Fnv1a, GoesOnWhereItStopped) {
  constexpr std::array<unsigned char, 3> kBar{'b', 'a', 'r'};
  EXPECT_EQ(fnv1a("bar", fnv1a("foo")), fnv1a("foobar"));
  EXPECT_EQ(fnv1a(kBar, fnv1a("foo")), fnv1a("foobar"));
}

TEST(Fnv1a, TakesBytesAboveAsciiAsTheyAre) {
  constexpr std::array<unsigned char, 2> kBytes{0xff, 0x80};
  EXPECT_EQ(fnv1a("\xff\x80"), fnv1a(kBytes));
}

}  // namespace
}  // namespace common
