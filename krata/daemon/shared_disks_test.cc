#include "krata/daemon/shared_disks.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "common/test_folder.h"

namespace krata::daemon {
namespace {

class SharedDisks : public testing::Test {
 protected:
  SharedDisks() {
    std::ofstream(path("data"));
    std::ofstream(path("other"));
    EXPECT_EQ(::link(path("data").c_str(), path("again").c_str()), 0);
  }

  std::string path(const std::string& name) { return folder_.at(name); }

  model::ZoneSpec spec(const std::string& name, const std::string& file, bool read_only) {
    model::ZoneSpec made;
    made.name = name;
    made.disks = {{.file = path(file), .mount = "/data", .read_only = read_only}};
    return made;
  }

  std::string said(const model::ZoneSpec& mine, const model::ZoneRecord& other) {
    const auto checked = check_disks_apart(mine, {&other});
    return checked ? "" : checked.error().text();
  }

  common::TestFolder folder_;
};

TEST_F(SharedDisks, OneThatSomebodyWritesToIsNobodyElses) {
  model::ZoneRecord other;
  other.spec = spec("web", "data", false);
  EXPECT_NE(said(spec("db", "data", false), other).find("data is the zone web's"), std::string::npos);
  EXPECT_NE(said(spec("db", "data", true), other), "");
  EXPECT_NE(said(spec("db", "again", false), other), "");  // another name of the same file
  EXPECT_EQ(said(spec("db", "other", false), other), "");
  EXPECT_EQ(said(spec("db", "not there", false), other), "");
}

TEST_F(SharedDisks, AllMayRead) {
  model::ZoneRecord other;
  other.spec = spec("web", "data", true);
  EXPECT_EQ(said(spec("db", "data", true), other), "");
  EXPECT_NE(said(spec("db", "data", false), other), "");
}

TEST_F(SharedDisks, NorTwiceInOneZone) {
  model::ZoneSpec mine = spec("db", "data", false);
  mine.disks.push_back({.file = path("again"), .mount = "/more", .read_only = true});
  EXPECT_FALSE(check_disks_apart(mine, {}));
  mine.disks[0].read_only = true;
  EXPECT_TRUE(check_disks_apart(mine, {}));
}

}  // namespace
}  // namespace krata::daemon
