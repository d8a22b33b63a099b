// docs/limits.md names every key with its default and range.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "common/file.h"
#include "krait/model/limits.h"

namespace krait::model {
namespace {

TEST(LimitsPage, HasEveryKeyAsItIs) {
  const auto page = common::read_file("docs/limits.md", std::size_t{1} << 20U);
  ASSERT_TRUE(page) << page.error().text();
  for (const LimitKey& key : kLimitKeys) {
    const std::string row = fmt::format("| `{}` | {} | {} to {}{} |", key.name, Limits{}.*key.value, key.least,
                                        key.most, key.power_of_two ? ", a power of two" : "");
    EXPECT_NE(page->find(row), std::string::npos) << "docs/limits.md lacks: " << row;
  }
}

}  // namespace
}  // namespace krait::model
