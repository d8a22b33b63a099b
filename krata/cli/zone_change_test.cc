#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "krata/cli/zone.h"

namespace krata::cli {
namespace {

TEST(Stop, AllThatHaveNotEndedTheLastOneFirst) {
  const auto zones = common::parse_json(R"([{"id":"1","state":"running"},{"id":"2","state":"ended"},
      {"id":"3","state":"restarting"},{"id":"4","state":"removing"},{"id":"5","state":"preparing"}])");
  EXPECT_EQ(ids_to_stop(zones), (std::vector<std::string>{"5", "3", "1"}));
  EXPECT_TRUE(ids_to_stop(common::Json::array()).empty());
}

}  // namespace
}  // namespace krata::cli
