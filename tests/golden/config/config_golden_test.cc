// Runs every tests/golden/config/*.toml (policy_* or mesh_*) and compares what krait says about it with NAME.expected:
// the text of the error, or "good". KRAIT_GOLDEN=write writes the expectations anew; look at the difference before
// committing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "common/file.h"
#include "krait/config/load.h"

namespace {

const std::filesystem::path kFolder = "tests/golden/config";

std::vector<std::string> names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".toml") {
      names.push_back(entry.path().stem());
    }
  }
  std::ranges::sort(names);
  return names;
}

std::string said_about(const std::string& name, const std::string& text) {
  const std::string file = name + ".toml";
  if (name.starts_with("policy_")) {
    const auto policy = krait::config::parse_policy(text, file);
    return policy ? "good\n" : policy.error().text() + "\n";
  }
  const auto mesh = krait::config::parse_mesh(text, file);
  return mesh ? "good\n" : mesh.error().text() + "\n";
}

class GoldenConfig : public testing::TestWithParam<std::string> {};

TEST_P(GoldenConfig, SaysWhatIsExpected) {
  const std::string& name = GetParam();
  ASSERT_TRUE(name.starts_with("policy_") || name.starts_with("mesh_")) << name;
  const auto text = common::read_file(kFolder / (name + ".toml"), krait::config::kMaxFileBytes);
  ASSERT_TRUE(text) << text.error().text();
  const std::string said = said_about(name, *text);
  const std::string expectation = kFolder / (name + ".expected");
  const char* const write = std::getenv("KRAIT_GOLDEN");
  if (write != nullptr && std::string(write) == "write") {
    ASSERT_TRUE(common::write_file(expectation, said, 0644));
    return;
  }
  const auto expected = common::read_file(expectation, krait::config::kMaxFileBytes);
  ASSERT_TRUE(expected) << expected.error().text();
  EXPECT_EQ(*expected, said);  // prints a difference line by line
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenConfig, testing::ValuesIn(names()), [](const auto& test) { return test.param; });

}  // namespace
