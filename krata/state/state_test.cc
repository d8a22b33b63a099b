#include "krata/state/state.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/file.h"
#include "common/test_folder.h"

namespace krata::state {
namespace {

using common::ErrorCode;
using model::End;
using model::ZoneRecord;

class StateTest : public testing::Test {
 protected:
  [[nodiscard]] std::unique_ptr<State> open() const {
    auto state = State::open(path_);
    EXPECT_TRUE(state) << state.error().text();
    return state ? std::move(*state) : nullptr;
  }
  [[nodiscard]] std::string failure() const {
    const auto state = State::open(path_);
    return state ? "" : state.error().text();
  }
  void execute(const char* text) const {
    sqlite3* database = nullptr;
    ASSERT_EQ(::sqlite3_open(path_.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(::sqlite3_exec(database, text, nullptr, nullptr, nullptr), SQLITE_OK);
    ::sqlite3_close(database);
  }

  common::TestFolder folder_;
  std::string path_ = folder_.at("state");
};

ZoneRecord zone(std::uint8_t number, const std::string& name) {
  ZoneRecord record;
  record.id.bytes.fill(number);
  record.spec.name = name;
  record.spec.image = "localhost/app:1";
  record.spec.command = {"echo", "\xc3\xa4"};
  record.created_s = number;
  return record;
}

ZoneRecord ended(ZoneRecord record) {
  record.goal = model::Goal::stop;
  record.root = "sha256:00";
  record.run = 3;
  record.failures = 2;
  record.domain = 7;
  record.started_s = 100;
  record.ended_s = 200;
  record.heard_end = End{.reason = End::Reason::exited, .code = 3};
  record.end = End{.reason = End::Reason::stopped, .code = 143, .signal = 15, .text = "in time"};
  record.is_to_start = true;
  return record;
}

TEST_F(StateTest, WhatWasWrittenIsThereAfterAKill) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto state = State::open(path_).value();
    const bool done = state->add(zone(1, "one")) && state->add(zone(2, "two")) && state->save(ended(zone(1, "one")));
    ::kill(::getpid(), done ? SIGKILL : SIGTERM);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_EQ(open()->zones().value(), (std::vector<ZoneRecord>{ended(zone(1, "one")), zone(2, "two")}));
}

TEST_F(StateTest, NamesAreUnique) {
  const auto state = open();
  ASSERT_TRUE(state->add(zone(1, "one")));
  const auto second = state->add(zone(2, "one"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::invalid_input);
  EXPECT_EQ(second.error().text(), "a zone is called one already; give another name, or destroy that one");
  ASSERT_TRUE(state->remove(zone(1, "one").id));
  EXPECT_TRUE(state->add(zone(2, "one")));
}

TEST_F(StateTest, OnlyWhatIsThereIsSaved) {
  const auto state = open();
  const auto saved = state->save(zone(1, "one"));
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code(), ErrorCode::not_found);
}

TEST_F(StateTest, IsOneProcesssAlone) {
  const auto state = open();
  EXPECT_EQ(failure(), "open " + path_ + ": another process has " + path_ + "; end it first");
}

TEST_F(StateTest, OthersMayNotReadIt) {
  const auto state = open();
  struct stat found{};
  ASSERT_EQ(::stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
}

TEST_F(StateTest, RefusesANewersFile) {
  ASSERT_TRUE(open());
  execute("PRAGMA user_version = 3");
  EXPECT_EQ(failure(), "open " + path_ + ": the state has the shape 3, of a newer kratad; this one knows 2 at most");
}

TEST_F(StateTest, BringsAnOlderFileToItsShape) {
  ASSERT_TRUE(open()->add(zone(1, "one")));
  execute("ALTER TABLE zones DROP COLUMN is_to_start; PRAGMA user_version = 1");
  EXPECT_EQ(open()->zones().value(), std::vector<ZoneRecord>{zone(1, "one")});
}

TEST_F(StateTest, RefusesWhatIsNoDatabase) {
  ASSERT_TRUE(common::write_file(path_, std::string(5000, 'x'), 0600));
  EXPECT_EQ(
      failure(),
      "open " + path_ + ": the state holds no database; restore the file from a backup, or move it away to begin anew");
}

TEST_F(StateTest, RefusesADamagedZone) {
  ASSERT_TRUE(open()->add(zone(1, "one")));
  execute("UPDATE zones SET goal = 9");
  EXPECT_EQ(open()->zones().error().text(),
            "the state holds a goal that is none; restore the file from a backup, or move it away to begin anew");
}

}  // namespace
}  // namespace krata::state
