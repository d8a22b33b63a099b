#include "common/event/lock_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "common/event/unix_socket.h"
#include "common/test_folder.h"

namespace common {
namespace {

constexpr uid_t kSomebody = 61001;  // no account of a Debian system

class FolderTest : public testing::Test {
 protected:
  common::TestFolder folder_;
};

TEST_F(FolderTest, TheSocketIsEverybodysWhateverTheUmask) {
  const mode_t umask = ::umask(0077);
  {
    const auto socket = ControlSocket::listen(folder_.at("run/s"), "a hint");
    ASSERT_TRUE(socket) << socket.error().text();
    struct stat status{};
    ASSERT_EQ(::stat(folder_.at("run/s").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0666U);
    EXPECT_EQ(::umask(0077), 0077U) << "as it was";
    EXPECT_TRUE(connect_unix(folder_.at("run/s")));
  }
  EXPECT_FALSE(std::filesystem::exists(folder_.at("run/s")));
  ::umask(umask);
}

TEST_F(FolderTest, ALockThatAChildStillHasIsWaitedFor) {
  auto former = LockFile::take(folder_.at("lock"), "taken");
  ASSERT_TRUE(former) << former.error().text();
  const pid_t child = ::fork();
  if (child == 0) {
    ::usleep(100'000);  // what a machine that is busy leaves between fork and exec
    ::_exit(0);
  }
  {
    const LockFile ended = std::move(*former);
  }
  const auto next = LockFile::take(folder_.at("lock"), "taken");
  EXPECT_TRUE(next) << next.error().text();
  const auto other = LockFile::take(folder_.at("lock"), "taken");
  ASSERT_FALSE(other) << "for a while only";
  EXPECT_EQ(other.error().text(), "taken");
  ::waitpid(child, nullptr, 0);
}

TEST_F(FolderTest, WhereOthersMayExchangeFilesNobodyListens) {
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0775), 0);
  const auto refused = ControlSocket::listen(folder_.at("s"), "a hint");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::permission);
  EXPECT_NE(refused.error().text().find("chmod go-w " + folder_.path()), std::string::npos) << refused.error().text();
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path())) << "nothing was touched";
  ASSERT_EQ(::chmod(folder_.path().c_str(), 01777), 0);
  EXPECT_TRUE(ControlSocket::listen(folder_.at("s"), "a hint")) << "as in /tmp: each has their own there";
}

TEST_F(FolderTest, InTheFolderOfAnotherUserNobodyListens) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  ASSERT_EQ(::chown(folder_.path().c_str(), kSomebody, kSomebody), 0);
  const auto refused = ControlSocket::listen(folder_.at("s"), "a hint");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::permission);
  EXPECT_NE(refused.error().text().find(folder_.path() + " belongs to user 61001"), std::string::npos)
      << refused.error().text();
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path())) << "nothing was touched";
}

}  // namespace
}  // namespace common
