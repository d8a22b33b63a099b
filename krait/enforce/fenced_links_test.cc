#include "krait/enforce/fenced_links.h"

#include <gtest/gtest.h>

namespace krait::enforce {
namespace {

TEST(FencedLinks, WhereTheHostTakesPacketsIn) {
  const auto link = [](std::uint32_t index, const char* kind, const char* master_kind) {
    return netlink::Link{.index = index, .name = "", .kind = kind, .loopback = index == 1, .master_kind = master_kind};
  };
  const std::vector links{link(1, "", ""),           link(2, "", ""),           link(3, "", "bridge"),
                          link(4, "bridge", ""),     link(5, "veth", "bridge"), link(6, "", "bond"),
                          link(7, "bond", ""),       link(8, "vrf", ""),        link(9, "", "vrf"),
                          link(10, "wireguard", ""), link(11, "", "batadv")};
  using Indexes = std::vector<std::uint32_t>;
  EXPECT_EQ(fenced_links(links, 10).interfaces, (Indexes{2, 4, 7, 9, 11}));
  EXPECT_EQ(fenced_links(links, 10).ports, (Indexes{3, 5, 6}));
  EXPECT_EQ(fenced_links(links, 0).interfaces, (Indexes{2, 4, 7, 9, 10, 11})) << "another tunnel is no exception";
}

}  // namespace
}  // namespace krait::enforce
