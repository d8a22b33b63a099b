// A million nodes: with the compiler of what ships, as they take the sanitizers half a minute.
#include <gtest/gtest.h>

#include <string>

#include "krata/image/limits.h"
#include "krata/image/tree.h"

namespace krata::image {

namespace {

TEST(TreeSizeTest, NodesAreBounded) {
  Tree tree;
  for (std::size_t i = 1; i < limits::kNodes; ++i) {
    ASSERT_TRUE(tree.add(kRoot, std::to_string(i), {}, 1));
  }
  const auto more = tree.add(kRoot, "one", {}, 1);
  ASSERT_FALSE(more.has_value());
  EXPECT_EQ(more.error().text(), "the image has more than 1048576 files and folders");
  tree.remove(kRoot, "7");
  EXPECT_TRUE(tree.add(kRoot, "one", {}, 1));
}

}  // namespace

}  // namespace krata::image
