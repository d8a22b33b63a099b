#include "common/netlink/advertised.h"

#include <gtest/gtest.h>

namespace netlink {
namespace {

TEST(Advertised, RoutesAreToldByTheirFlags) {
  const std::string head = "fd400000000700000000000000000000 40";
  const std::string rest =
      " 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 ";
  const auto read = parse_advertised(head + rest + "000c0001     wan0");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->prefix.text(), "fd40:0:7::/64");
  EXPECT_EQ(read->link, "wan0");
  EXPECT_FALSE(parse_advertised(head + rest + "00000001     wan0")) << "of a configured address";
}

TEST(Advertised, WhatIsNoSuchLineIsNone) {
  for (const char* text : {"", " ", "fd40", "fd400000000700000000000000000000 40 00 00 00 00 00 00 000c0001",
                           "fd40000000070000000000000000000 40 0 00 0 0 0 0 000c0001 wan0",
                           "fd400000000700000000000000000000 81 0 00 0 0 0 0 000c0001 wan0",
                           "fd40000000070000000000000000000g 40 0 00 0 0 0 0 000c0001 wan0",
                           "fd400000000700000000000000000000 40 0 00 0 0 0 0 nonsense wan0"}) {
    EXPECT_FALSE(parse_advertised(text)) << text;
  }
}

}  // namespace
}  // namespace netlink
