#include "krait/model/tags.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace krait::model {
namespace {

std::vector<Identity> named(std::initializer_list<const char*> names) {
  std::vector<Identity> identities;
  for (const char* const name : names) {
    identities.push_back({name, 0, {}});
  }
  return identities;
}

TEST(Tags, StayTheSameFromReleaseToRelease) {
  auto identities = named({"web", "db"});
  assign_tags(identities);
  EXPECT_EQ(identities[0].tag, 382926824U);
  EXPECT_EQ(identities[1].tag, 3182096356U);
}

TEST(Tags, DoNotDependOnTheOrder) {
  auto one = named({"web", "db", "office"});
  auto other = named({"office", "web", "db"});
  assign_tags(one);
  assign_tags(other);
  EXPECT_EQ(one[0].tag, other[1].tag);
  EXPECT_EQ(one[1].tag, other[2].tag);
  EXPECT_EQ(one[2].tag, other[0].tag);
}

TEST(Tags, LeavePinnedOnesAlone) {
  auto identities = named({"web", "db"});
  identities[1].tag = 10;
  assign_tags(identities);
  EXPECT_EQ(identities[0].tag, 382926824U);
  EXPECT_EQ(identities[1].tag, 10U);
}

TEST(Tags, GiveWayToPinnedOnes) {
  auto identities = named({"web", "db"});
  identities[1].tag = 382926824U;  // what "web" would get
  assign_tags(identities);
  EXPECT_NE(identities[0].tag, 382926824U);
  EXPECT_NE(identities[0].tag, 0U);
}

TEST(Tags, OfNamesThatCollideDoNotDependOnTheOrder) {
  auto one = named({"id13598", "id146346"});  // both would get the same
  auto other = named({"id146346", "id13598"});
  assign_tags(one);
  assign_tags(other);
  EXPECT_EQ(one[0].tag, 1424518860U);
  EXPECT_NE(one[1].tag, 1424518860U);
  EXPECT_EQ(one[0].tag, other[1].tag);
  EXPECT_EQ(one[1].tag, other[0].tag);
}

TEST(Tags, DifferAmongManyThatCollide) {
  std::vector<Identity> identities;
  for (int i = 0; i < 300'000; ++i) {  // about ten pairs of these collide at first
    identities.push_back({"id" + std::to_string(i), 0, {}});
  }
  assign_tags(identities);
  std::set<std::uint32_t> tags{0};
  for (const Identity& identity : identities) {
    EXPECT_TRUE(tags.insert(identity.tag).second) << identity.name;
  }
}

}  // namespace
}  // namespace krait::model
