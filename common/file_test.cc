#include "common/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <latch>
#include <string>
#include <thread>

#include "common/clock.h"
#include "common/fd.h"
#include "common/test_folder.h"

namespace common {
namespace {

class File : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const char* name) const { return folder_.at(name); }

  common::TestFolder folder_;
};

TEST_F(File, ReadsWhatWasWritten) {
  const std::string text("a\0b\n", 4);
  ASSERT_TRUE(write_file(path("f"), text, 0600));
  EXPECT_EQ(read_file(path("f"), 4).value(), text);
}

TEST_F(File, ReadsADescriptorFromWhereItStands) {
  const std::string text(200'000, 'x');  // several pieces
  ASSERT_TRUE(write_file(path("f"), "head" + text, 0600));
  const Fd fd(::open(path("f").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 4> head{};
  EXPECT_EQ(read_into(fd.get(), head, "f").value(), head.size());
  EXPECT_EQ(std::string(head.begin(), head.end()), "head");
  EXPECT_EQ(read_to_end(fd.get(), text.size(), "f").value(), text);
  EXPECT_EQ(read_to_end(fd.get(), 0, "f").value(), "");
  EXPECT_EQ(read_into(fd.get(), head, "f").value(), 0U);
  ASSERT_EQ(::lseek(fd.get(), 0, SEEK_SET), 0);
  EXPECT_EQ(read_to_end(fd.get(), text.size(), "f").error().text(), "f is larger than 200000 bytes");
}

TEST_F(File, ReadsAPipeToItsEnd) {
  const std::string piece(100'000, 'x');  // more than a pipe holds: both ends have to go on several times
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const Fd out(ends[0]);
  std::thread writer([in = Fd(ends[1]), &piece] {
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(write_all(in.get(), piece, "a pipe"));
    }
  });
  EXPECT_EQ(read_to_end(out.get(), 3 * piece.size(), "a pipe").value(), piece + piece + piece);
  writer.join();
}

TEST_F(File, WritesAtAnOffset) {
  const Fd file(::open(path("at").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(write_all_at(file.get(), 3, "def", "a file"));
  ASSERT_TRUE(write_all_at(file.get(), 0, "abc", "a file"));
  EXPECT_EQ(read_to_end(file.get(), 10, "a file").value(), "abcdef") << "the descriptor stands where it stood";
  EXPECT_EQ(write_all_at(-1, 0, "a", "the image").error().text(), "write the image (Bad file descriptor)");
}

TEST_F(File, SaysWhatItCouldNotReadOrWrite) {
  EXPECT_EQ(read_to_end(-1, 1, "the key file x").error().text(), "read the key file x (Bad file descriptor)");
  EXPECT_EQ(write_all(-1, "a", "the key file x").error().text(), "write the key file x (Bad file descriptor)");
}

TEST_F(File, MakesTheDirectoryOfAPath) {
  EXPECT_EQ(directory_of("name"), ".");
  EXPECT_EQ(directory_of("/name"), "/");
  EXPECT_EQ(directory_of("/a/b/name"), "/a/b");
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(make_directory_of(path("made/f"), 0700));
  }
  struct stat made{};
  ASSERT_EQ(::stat(path("made").c_str(), &made), 0);
  EXPECT_EQ(made.st_mode, S_IFDIR | 0700U);
  EXPECT_FALSE(make_directory_of(path("none/made/f")));
  EXPECT_TRUE(make_directory_of("name"));
  EXPECT_TRUE(make_directory_of("/name"));
}

TEST_F(File, RefusesLargerFiles) {
  ASSERT_TRUE(write_file(path("f"), "12345", 0600));
  EXPECT_EQ(read_file(path("f"), 4).error().code(), ErrorCode::limit);
}

TEST_F(File, RefusesWhatIsNoFile) {
  EXPECT_EQ(read_file(path("none"), 4).error().code(), ErrorCode::not_found);
  EXPECT_EQ(read_file(folder_.path(), 4).error().code(), ErrorCode::invalid_input);
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(read_file(path("pipe"), 4).error().code(), ErrorCode::invalid_input);  // and does not wait for a writer
  EXPECT_EQ(read_file("/dev/zero", 4).error().code(), ErrorCode::invalid_input);
}

// Somebody else's folder leads to what only we may read: by a symbolic link, and by a second name.
TEST_F(File, GivesNothingThatSomebodyElsesFolderLeadsTo) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  constexpr uid_t kSomebody = 61001;
  ASSERT_TRUE(write_file(path("secret"), "secret", 0600));
  const std::string theirs = path("theirs");
  ASSERT_EQ(::mkdir(theirs.c_str(), 0755), 0);
  ASSERT_TRUE(write_file(theirs + "/own", "own", 0600));
  std::filesystem::create_symlink(path("secret"), theirs + "/link");
  std::filesystem::create_hard_link(path("secret"), theirs + "/name");
  EXPECT_EQ(read_file_of_others(theirs + "/link", 9).value(), "secret") << "the folder is ours: so is the link";
  for (const std::string& file : {theirs, theirs + "/own"}) {
    ASSERT_EQ(::chown(file.c_str(), kSomebody, kSomebody), 0);
  }
  EXPECT_EQ(read_file_of_others(theirs + "/own", 9).value(), "own");
  const auto link = read_file_of_others(theirs + "/link", 9);
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().text(), theirs + "/link is a symbolic link");
  const auto name = read_file_of_others(theirs + "/name", 9);
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().code(), ErrorCode::permission);
  EXPECT_EQ(read_file_of_others(theirs + "/none", 9).error().code(), ErrorCode::not_found);
}

// On a busy machine a writer may take longer than a reader waits.
Result<std::string> read_sooner_or_later(const std::string& path, std::size_t max_bytes) {
  auto text = read_settled_file(path, max_bytes);
  while (!text && text.error().code() == ErrorCode::unavailable) {
    text = read_settled_file(path, max_bytes);
  }
  return text;
}

TEST_F(File, WaitsForWhoHasItOpenForWriting) {
  ASSERT_TRUE(write_file(path("f"), "old", 0600));
  std::latch begun(1);
  std::jthread writer([&] {
    const Fd fd(::open(path("f").c_str(), O_WRONLY | O_TRUNC));
    EXPECT_EQ(::write(fd.get(), "first", 5), 5);
    begun.count_down();
    std::this_thread::sleep_for(4 * kSettle);
    EXPECT_EQ(::write(fd.get(), "second", 6), 6);
  });
  begun.wait();
  EXPECT_EQ(read_sooner_or_later(path("f"), 100).value(), "firstsecond");
}

TEST_F(File, WaitsForAFileToSettle) {
  ASSERT_TRUE(write_file(path("f"), "new", 0600));
  EXPECT_EQ(read_settled_file(path("f"), 100).value(), "new");
  struct stat status{};
  ASSERT_EQ(::stat(path("f").c_str(), &status), 0);
  const auto changed = std::chrono::seconds(status.st_ctim.tv_sec) + std::chrono::nanoseconds(status.st_ctim.tv_nsec);
  EXPECT_GE(std::chrono::nanoseconds(now().unix_ns) - changed, kSettle);
}

TEST_F(File, DigestsWhatItWouldRead) {
  const std::string text(std::size_t{200'000}, 'x');  // several pieces
  ASSERT_TRUE(write_file(path("f"), text, 0600));
  EXPECT_EQ(settled_file_digest(path("f"), text.size()).value(), Digest::of(text));
  EXPECT_EQ(settled_file_digest(path("f"), text.size() - 1).error().code(), ErrorCode::limit);
  EXPECT_EQ(settled_file_digest(path("none"), 1).error().code(), ErrorCode::not_found);
}

TEST_F(File, RefusesWhatIsWrittenForEver) {
  const Fd writer(::open(path("f").c_str(), O_WRONLY | O_CREAT, 0600));
  ASSERT_TRUE(writer.valid());
  EXPECT_EQ(read_settled_file(path("f"), 100).error().code(), ErrorCode::unavailable);
}

TEST_F(File, WhoWantsToWriteDoesNotEndTheReader) {
  ASSERT_TRUE(write_file(path("f"), std::string(std::size_t{1} << 20U, 'x'), 0600));
  std::atomic<bool> done = false;
  std::jthread writer([&] {
    while (!done) {
      Fd(::open(path("f").c_str(), O_WRONLY)).reset();  // breaks the lease, and waits for the reader
      std::this_thread::sleep_for(kSettle / 50);
    }
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(read_sooner_or_later(path("f"), std::size_t{1} << 20U).value_or("").size(), std::size_t{1} << 20U);
  }
  done = true;
}

TEST_F(File, ReplacesAtOnceWithTheModeAsked) {
  ASSERT_TRUE(write_file(path("f"), "old", 0644));
  ASSERT_TRUE(write_file(path("f"), "new", 0600));
  EXPECT_EQ(read_file(path("f"), 10).value(), "new");
  struct stat status{};
  ASSERT_EQ(::stat(path("f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);  // no scratch file is left
}

// Ended half-way, a process leaves its scratch file; the next one may have the same number, as in a container.
TEST_F(File, ReplacesWhatAnEarlierProcessLeft) {
  const std::string scratch = path("f") + "." + std::to_string(::getpid()) + ".new";
  ASSERT_EQ(::symlink(path("elsewhere").c_str(), scratch.c_str()), 0);
  ASSERT_TRUE(write_file(path("f"), "new", 0600));
  EXPECT_EQ(read_file(path("f"), 10).value(), "new");
  EXPECT_FALSE(std::filesystem::exists(path("elsewhere")));
}

TEST_F(File, FailsWithoutTheFolder) {
  EXPECT_EQ(write_file(path("none/f"), "x", 0600).error().code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace common
