#include "krait/cli/spawn.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "common/file.h"

namespace krait::cli {
namespace {

// What `krait up` runs, with a script in the agent's place.
class SpawnTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "krait-spawn-XXXXXX";
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  common::Result<void> spawn(const std::string& script) {
    const std::string agent = folder_ + "/agent";
    EXPECT_TRUE(common::write_file(agent, "#!/bin/sh\n" + script, 0700));
    return spawn_agent({.agent = agent, .config = "c", .socket = folder_ + "/environment", .log = folder_ + "/log"});
  }

  std::string folder_;
};

TEST_F(SpawnTest, HandsOnNothingOfTheCallersEnvironmentButWhatTheAgentReads) {
  ::setenv("CLOUD_TOKEN", "secret", 1);
  ::setenv("KRAIT_IFACE", "tun7", 1);
  EXPECT_FALSE(spawn("env >\"$4\"; exit 2"));
  ::unsetenv("CLOUD_TOKEN");
  ::unsetenv("KRAIT_IFACE");
  const auto environment = common::read_file(folder_ + "/environment", 65536);
  ASSERT_TRUE(environment) << environment.error().text();
  EXPECT_EQ(environment->find("CLOUD_TOKEN"), std::string::npos);
  EXPECT_NE(environment->find("KRAIT_IFACE=tun7"), std::string::npos);
  EXPECT_NE(environment->find("NOTIFY_SOCKET=@"), std::string::npos);
}

TEST_F(SpawnTest, TellsWrongUseFromOtherFailures) {
  EXPECT_EQ(spawn("exit 1").error().code(), common::ErrorCode::invalid_input);
  EXPECT_EQ(spawn("exit 2").error().code(), common::ErrorCode::system);
}

}  // namespace
}  // namespace krait::cli
