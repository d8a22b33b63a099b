#include "krait/cli/spawn.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "common/file.h"
#include "common/test_folder.h"

namespace krait::cli {
namespace {

// What `krait up` runs, with a script in the agent's place.
class SpawnTest : public testing::Test {
 protected:
  common::Result<void> spawn(const std::string& script, int patience_ms = 60'000) {
    const std::string agent = folder_.at("agent");
    EXPECT_TRUE(common::write_file(agent, "#!/bin/sh\n" + script, 0700));
    return spawn_agent({.agent = agent,
                        .config = "c",
                        .socket = folder_.at("environment"),
                        .log = folder_.at("log"),
                        .patience_ms = patience_ms});
  }

  common::TestFolder folder_;
};

TEST_F(SpawnTest, HandsOnNothingOfTheCallersEnvironmentButWhatTheAgentReads) {
  ::setenv("CLOUD_TOKEN", "secret", 1);
  ::setenv("KRAIT_IFACE", "tun7", 1);
  EXPECT_FALSE(spawn("env >\"$4\"; exit 2"));
  ::unsetenv("CLOUD_TOKEN");
  ::unsetenv("KRAIT_IFACE");
  const auto environment = common::read_file(folder_.at("environment"), 65536);
  ASSERT_TRUE(environment) << environment.error().text();
  EXPECT_EQ(environment->find("CLOUD_TOKEN"), std::string::npos);
  EXPECT_NE(environment->find("KRAIT_IFACE=tun7"), std::string::npos);
  EXPECT_NE(environment->find("KRAIT_NOTICE_FD="), std::string::npos);
  EXPECT_EQ(environment->find("NOTIFY_SOCKET"), std::string::npos) << "a name is anybody's to fill";
}

TEST_F(SpawnTest, ReturnsWhenTheAgentIsReadyAndRunsOn) {
  const auto done = spawn("echo $$ >\"${4%/*}/pid\"; echo READY=1 >&$KRAIT_NOTICE_FD; exec sleep 1000");
  EXPECT_TRUE(done) << done.error().text();
  const auto pid = common::read_file(folder_.at("pid"), 99);
  ASSERT_TRUE(pid);
  EXPECT_EQ(::kill(std::stoi(*pid), SIGKILL), 0);
  int status = 0;
  EXPECT_EQ(::waitpid(std::stoi(*pid), &status, 0), std::stoi(*pid));
  EXPECT_TRUE(WIFSIGNALED(status)) << "it ran until now";
}

TEST_F(SpawnTest, TellsWhatTheAgentSaidAtItsEnd) {
  const auto failed = spawn("echo STATUS=no such interface >&$KRAIT_NOTICE_FD; exit 2");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().text(), "krait-agent: no such interface");
}

TEST_F(SpawnTest, DoesNotWaitWithoutEnd) {
  // The second one can say nothing any more.
  for (const char* script :
       {"echo $$ >pid; exec sleep 1000", "echo $$ >pid; eval \"exec $KRAIT_NOTICE_FD>&-\"; exec sleep 1000"}) {
    const auto failed = spawn("cd " + folder_.path() + "; " + script, 300);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code(), common::ErrorCode::system);
    EXPECT_NE(failed.error().text().find("had not put the policy in force"), std::string::npos)
        << failed.error().text();
    const auto pid = common::read_file(folder_.at("pid"), 99);
    ASSERT_TRUE(pid);
    int status = 0;
    ASSERT_EQ(::waitpid(std::stoi(*pid), &status, 0), std::stoi(*pid));
    EXPECT_TRUE(WIFSIGNALED(status)) << "it was ended";
  }
}

TEST_F(SpawnTest, WritesItsLogIntoNothingButAFileOfItsOwn) {
  const std::string log = folder_.at("log");
  ASSERT_TRUE(common::write_file(folder_.at("precious"), "kept", 0600));
  ASSERT_EQ(::mkfifo(log.c_str(), 0600), 0);
  EXPECT_FALSE(spawn("exit 0"));  // and does not wait for a reader
  std::filesystem::remove(log);
  std::filesystem::create_hard_link(folder_.at("precious"), log);
  const auto failed = spawn("exit 0");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().text(), log + " is not a plain file of this user's; rm " + log);
  std::filesystem::remove(log);
  std::filesystem::create_symlink(folder_.at("precious"), log);
  EXPECT_FALSE(spawn("exit 0"));
  EXPECT_EQ(*common::read_file(folder_.at("precious"), 99), "kept");
}

TEST_F(SpawnTest, TellsWrongUseFromOtherFailures) {
  EXPECT_EQ(spawn("exit 1").error().code(), common::ErrorCode::invalid_input);
  EXPECT_EQ(spawn("exit 2").error().code(), common::ErrorCode::system);
}

}  // namespace
}  // namespace krait::cli
