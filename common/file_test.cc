#include "common/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace common {
namespace {

class File : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "krait_file_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const char* name) const { return folder_ / name; }

  std::filesystem::path folder_;
};

TEST_F(File, ReadsWhatWasWritten) {
  const std::string text("a\0b\n", 4);
  ASSERT_TRUE(write_file(path("f"), text, 0600));
  EXPECT_EQ(read_file(path("f"), 4).value(), text);
}

TEST_F(File, RefusesLargerFiles) {
  ASSERT_TRUE(write_file(path("f"), "12345", 0600));
  EXPECT_EQ(read_file(path("f"), 4).error().code(), ErrorCode::limit);
}

TEST_F(File, RefusesWhatIsNoFile) {
  EXPECT_EQ(read_file(path("none"), 4).error().code(), ErrorCode::not_found);
  EXPECT_EQ(read_file(folder_, 4).error().code(), ErrorCode::invalid_input);
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(read_file(path("pipe"), 4).error().code(), ErrorCode::invalid_input);  // and does not wait for a writer
  EXPECT_EQ(read_file("/dev/zero", 4).error().code(), ErrorCode::invalid_input);
}

TEST_F(File, ReplacesAtOnceWithTheModeAsked) {
  ASSERT_TRUE(write_file(path("f"), "old", 0644));
  ASSERT_TRUE(write_file(path("f"), "new", 0600));
  EXPECT_EQ(read_file(path("f"), 10).value(), "new");
  struct stat status{};
  ASSERT_EQ(::stat(path("f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);  // no scratch file is left
}

TEST_F(File, FailsWithoutTheFolder) {
  EXPECT_EQ(write_file(path("none/f"), "x", 0600).error().code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace common
