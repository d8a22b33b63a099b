#include "common/event/lock_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "common/event/unix_socket.h"

namespace common {
namespace {

constexpr uid_t kSomebody = 61001;  // no account of a Debian system

class FolderTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "krait-folder-XXXXXX";
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(FolderTest, TheSocketIsEverybodysWhateverTheUmask) {
  const mode_t umask = ::umask(0077);
  {
    const auto socket = ControlSocket::listen(folder_ + "/run/s", "a hint");
    ASSERT_TRUE(socket) << socket.error().text();
    struct stat status{};
    ASSERT_EQ(::stat((folder_ + "/run/s").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0666U);
    EXPECT_EQ(::umask(0077), 0077U) << "as it was";
    EXPECT_TRUE(connect_unix(folder_ + "/run/s"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/run/s"));
  ::umask(umask);
}

TEST_F(FolderTest, ALockThatAChildStillHasIsWaitedFor) {
  auto former = LockFile::take(folder_ + "/lock", "taken");
  ASSERT_TRUE(former) << former.error().text();
  const pid_t child = ::fork();
  if (child == 0) {
    ::usleep(100'000);  // what a machine that is busy leaves between fork and exec
    ::_exit(0);
  }
  {
    const LockFile ended = std::move(*former);
  }
  const auto next = LockFile::take(folder_ + "/lock", "taken");
  EXPECT_TRUE(next) << next.error().text();
  const auto other = LockFile::take(folder_ + "/lock", "taken");
  ASSERT_FALSE(other) << "for a while only";
  EXPECT_EQ(other.error().text(), "taken");
  ::waitpid(child, nullptr, 0);
}

TEST_F(FolderTest, WhereOthersMayExchangeFilesNobodyListens) {
  ASSERT_EQ(::chmod(folder_.c_str(), 0775), 0);
  const auto refused = ControlSocket::listen(folder_ + "/s", "a hint");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::permission);
  EXPECT_NE(refused.error().text().find("chmod go-w " + folder_), std::string::npos) << refused.error().text();
  EXPECT_TRUE(std::filesystem::is_empty(folder_)) << "nothing was touched";
  ASSERT_EQ(::chmod(folder_.c_str(), 01777), 0);
  EXPECT_TRUE(ControlSocket::listen(folder_ + "/s", "a hint")) << "as in /tmp: each has their own there";
}

TEST_F(FolderTest, InTheFolderOfAnotherUserNobodyListens) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  ASSERT_EQ(::chown(folder_.c_str(), kSomebody, kSomebody), 0);
  const auto refused = ControlSocket::listen(folder_ + "/s", "a hint");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::permission);
  EXPECT_NE(refused.error().text().find(folder_ + " belongs to user 61001"), std::string::npos)
      << refused.error().text();
  EXPECT_TRUE(std::filesystem::is_empty(folder_)) << "nothing was touched";
}

}  // namespace
}  // namespace common
