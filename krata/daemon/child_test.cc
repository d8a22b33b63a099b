#include "krata/daemon/child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/file.h>

#include <csignal>
#include <optional>

#include "common/file.h"
#include "common/test_folder.h"
#include "krata/daemon/disk_server.h"

namespace krata::daemon {
namespace {

class ChildTest : public testing::Test {
 protected:
  ChildTest() { loop_ = common::Loop::create().value(); }

  ChildEnd run(const std::string& script) {
    ChildEnd end;
    auto child = Child::start(*loop_, {"/bin/sh", "-c", script}, [&](const ChildEnd& ended) {
      end = ended;
      loop_->stop();
    });
    EXPECT_TRUE(child) << child.error().text();
    EXPECT_TRUE(loop_->run());
    return end;
  }

  common::TestFolder folder_;
  std::unique_ptr<common::Loop> loop_;
};

TEST_F(ChildTest, GivesWhatAProgramSays) {
  const ChildEnd end = run("echo out; echo err >&2; exit 3");
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(end.output, "out\n");
  EXPECT_EQ(end.errors, "err\n");
}

TEST_F(ChildTest, HasNothingToRead) { EXPECT_EQ(run("cat; echo end").output, "end\n"); }

TEST_F(ChildTest, SaysWhichSignalEndedIt) { EXPECT_EQ(run("kill -TERM $$").exit_code, 128 + SIGTERM); }

TEST_F(ChildTest, EndsWhoSaysTooMuch) {
  const ChildEnd end = run("exec cat /dev/zero");
  EXPECT_EQ(end.exit_code, 128 + SIGKILL);
  EXPECT_EQ(end.output.size(), kMaxChildOutput);
}

// A program in the place of krata-block.
class DiskServerTest : public ChildTest {
 protected:
  DiskServerTest() {
    EXPECT_TRUE(common::write_file(folder_.at("krata-block"), "#!/bin/sh\necho \"$@\"\nexec sleep 60\n", 0700));
    paths_.programs_folder = folder_.path();
    paths_.disk_user = "somebody";
  }

  Paths paths_;
  int ended_ = 0;
};

TEST_F(DiskServerTest, IsFoundByWhoComesLater) {
  DiskServer first(*loop_, folder_.path(), [] {});
  EXPECT_FALSE(first.is_running());
  ASSERT_TRUE(first.start(paths_, 7, {{.number = 51712, .file = "/root.img", .is_read_only = true}}));
  EXPECT_TRUE(first.is_running());
  while (common::read_file(folder_.at("block.log"), 4096).value().empty()) {
    ::sched_yield();  // until it has said what it was called with
  }
  EXPECT_FALSE(first.start(paths_, 7, {})) << "there is only one, and its log stays";
  DiskServer second(*loop_, folder_.path(), [&] {
    ++ended_;
    loop_->stop();
  });
  EXPECT_TRUE(second.is_running());
  EXPECT_FALSE(second.stop());
  ASSERT_TRUE(loop_->run());
  EXPECT_EQ(ended_, 1);
  EXPECT_FALSE(second.is_running());
  EXPECT_TRUE(second.stop());
  EXPECT_EQ(common::read_file(folder_.at("block.log"), 4096).value(),
            "--domain 7 --state " + folder_.path() + " --user somebody --disk 51712=ro:/root.img\n");
}

}  // namespace
}  // namespace krata::daemon
