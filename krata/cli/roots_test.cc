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
  EXPECT_EQ(unneeded_roots(names, zones).names, (Names{"bb.squashfs", "bb.json"}));
  EXPECT_EQ(unneeded_roots(names, common::Json::array()).names.size(), 4U);
}

TEST(Roots, NothingGoesWhileAZoneIsPrepared) {
  const auto zones = common::parse_json(R"([{"name":"web","state":"preparing","image_digest":null}])");
  const auto unneeded = unneeded_roots({"aa.squashfs"}, zones);
  EXPECT_TRUE(unneeded.names.empty());
  EXPECT_EQ(unneeded.because_of, "web");
}

TEST(Roots, AZoneWhoseImageCouldNotBeHadKeepsNothing) {
  const auto zones = common::parse_json(R"([{"name":"web","state":"ended","image_digest":null},
      {"name":"db","state":"restarting","image_digest":null}])");
  const auto unneeded = unneeded_roots({"aa.squashfs"}, zones);
  EXPECT_EQ(unneeded.names, (Names{"aa.squashfs"}));
  EXPECT_EQ(unneeded.because_of, "");
}

}  // namespace
}  // namespace krata::cli
