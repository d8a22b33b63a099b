#include "common/log.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "common/fd.h"

namespace common {
namespace {

// What a log writes to standard error; $JOURNAL_STREAM names that, or something else.
std::string written(bool is_journal) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  struct stat info{};
  EXPECT_EQ(::fstat(writer.get(), &info), 0);
  ::setenv("JOURNAL_STREAM", fmt::format("{}:{}", info.st_dev, info.st_ino + (is_journal ? 0 : 1)).c_str(), 1);
  const Fd kept(::dup(STDERR_FILENO));
  ::dup2(writer.get(), STDERR_FILENO);
  {
    Log log("test");
    log.info("one\nand \x1b more");
    log.warning("two");
    log.error("three");
  }
  ::dup2(kept.get(), STDERR_FILENO);
  ::unsetenv("JOURNAL_STREAM");
  writer = Fd();
  std::array<char, 4096> bytes{};
  const ssize_t got = ::read(reader.get(), bytes.data(), bytes.size());
  return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
}

TEST(Log, TellsTheJournalHowMuchItMatters) {
  EXPECT_EQ(written(true), "<6>info: one\n<6>info: and ? more\n<4>warning: two\n<3>error: three\n");
}

TEST(Log, TellsAnybodyElseWhenAndWho) {
  const std::string text = written(false);
  EXPECT_NE(text.find(" test info: one\n"), std::string::npos);
  EXPECT_NE(text.find(" test warning: two\n"), std::string::npos);
  EXPECT_EQ(text.find('<'), std::string::npos);
}

}  // namespace
}  // namespace common
