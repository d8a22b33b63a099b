#include "lab/json/path.h"

#include <gtest/gtest.h>

namespace {

const common::Json kDocument = common::parse_json(R"({
  "stage": "enforcing", "agent": {"pid": 12},
  "faults": [{"what": "a", "hint": "b"}, {"what": "c"}],
  "rules": [{"rule": "web-db.1", "packets": 7}, {"rule": "x", "packets": 8}], "lists": [[1, 2], [3]]
})");

// What the path names, with spaces between.
std::string named(std::string_view path) {
  const auto found = lab::find_path(kDocument, path);
  if (!found) {
    return found.error().text();
  }
  std::string text;
  for (const common::Json* json : *found) {
    text += (text.empty() ? "" : " ") + lab::plain(*json);
  }
  return text;
}

TEST(Path, NamesMembersAndElements) {
  EXPECT_EQ(named("stage"), "enforcing");
  EXPECT_EQ(named("agent.pid"), "12");
  EXPECT_EQ(named("faults[].what"), "a c");
  EXPECT_EQ(named("faults[0].hint"), "b");
  EXPECT_EQ(named("rules[rule=web-db.1].packets"), "7");
  EXPECT_EQ(named("lists[][0]"), "1 3");
  EXPECT_EQ(named("rules[rule=x][packets=8].packets"), "8");
  EXPECT_EQ(named("rules[rule=x][packets=7].packets"), "");
  EXPECT_EQ(named("rules[rule=x][0]"), "");
}

TEST(Path, LeadsNowhere) {
  for (const char* path : {"none", "stage.none", "stage[]", "faults[2]", "agent[pid=13]", "faults.what"}) {
    EXPECT_EQ(named(path), "") << path;
  }
}

TEST(Path, MakesNoSense) {
  EXPECT_EQ(named("faults[x]"), "[x]: neither a number nor name=text");
  EXPECT_EQ(named("faults["), "a bracket is left open");
}

}  // namespace
