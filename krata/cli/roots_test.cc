#include "krata/cli/roots.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace krata::cli {
namespace {

using Names = std::vector<std::string>;

TEST(Roots, WhatNoZoneIsOfMayGo) {
  const Names names{"aa.squashfs", "aa.json", "bb.squashfs", "bb.json", "bb.squashfs.new"};
  const auto zones = common::parse_json(R"([{"name":"web","image_digest":"aa"}])");
  EXPECT_EQ(unneeded_roots(names, zones), (Names{"bb.squashfs", "bb.json"}));
  EXPECT_EQ(unneeded_roots(names, common::Json::array()).size(), 4U);
}

TEST(Roots, NothingGoesWhileAZoneIsPrepared) {
  const auto zones = common::parse_json(R"([{"name":"web","image_digest":null}])");
  EXPECT_TRUE(unneeded_roots({"aa.squashfs"}, zones).empty());
}

}  // namespace
}  // namespace krata::cli
