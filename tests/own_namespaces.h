// For tests that make interfaces and pin BPF objects: nothing of the machine's is seen or touched.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

namespace krait {

// A network and a mount namespace of the test's own, and an empty file system on a folder. Skips the test without root:
// whoever overrides SetUp() calls this one first, and returns when is_unprepared().
class OwnNamespaces : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "skipped: making network namespaces needs root";
    }
    ASSERT_EQ(::unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    const auto folder = std::filesystem::temp_directory_path() / "krait-own-namespaces";
    std::filesystem::create_directories(folder);
    ASSERT_EQ(::mount("tmpfs", folder.c_str(), "tmpfs", 0, nullptr), 0);
    directory_ = folder;
  }
  void TearDown() override {
    if (!directory_.empty()) {
      ::umount2(directory_.c_str(), MNT_DETACH);
    }
  }

  [[nodiscard]] static bool is_unprepared() { return IsSkipped() || HasFatalFailure(); }

  std::filesystem::path directory_;
};

}  // namespace krait
