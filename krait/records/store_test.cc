#include "krait/records/store.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "common/test_folder.h"
#include "krait/records/postgresql_server.h"

namespace krait::records {
namespace {

// One server for all tests.
PostgresqlServer* server() {
  static const std::unique_ptr<PostgresqlServer> started = PostgresqlServer::start();
  return started.get();
}

enum class Where { sqlite, postgresql };

class Stores : public ::testing::TestWithParam<Where> {
 protected:
  void SetUp() override {
    static int count = 0;
    if (GetParam() == Where::postgresql) {
      ASSERT_NE(server(), nullptr);
      where_ = server()->make_database("krait_" + std::to_string(++count));
      return;
    }
    where_ = folder_.at("network.db");
  }

  [[nodiscard]] std::unique_ptr<Database> connect() const {
    auto database = GetParam() == Where::sqlite ? open_sqlite(where_, false) : open_postgresql(where_);
    EXPECT_TRUE(database) << database.error().text();
    return database ? *std::move(database) : nullptr;
  }
  [[nodiscard]] Store made() const {
    auto store = Store::create(connect());
    EXPECT_TRUE(store) << store.error().text();
    return *std::move(store);
  }
  [[nodiscard]] Store opened() const {
    auto store = Store::open(connect());
    EXPECT_TRUE(store) << store.error().text();
    return *std::move(store);
  }

  common::TestFolder folder_;
  std::string where_;
};

Change change_of(std::uint64_t base, std::vector<Record> records) {
  return {.base = base, .who = "alice", .what = "change", .at_s = 1'700'000'000, .records = std::move(records)};
}

std::vector<Record> all_since(Store& store, std::uint64_t revision) {
  std::vector<Record> records;
  EXPECT_TRUE(store.since(revision, [&](Record& record) { records.push_back(record); }));
  return records;
}

const std::string kBytes("\0\1\xff'\"\\ %", 8);

TEST_P(Stores, GiveBackWhatWasCommitted) {
  {
    Store store = made();
    const auto first = store.commit(change_of(0, {{1, "a", kBytes}, {1, "b", ""}, {2, "a", "two"}}));
    ASSERT_TRUE(first) << first.error().text();
    EXPECT_EQ(*first, 1U);
    EXPECT_EQ(*store.commit(change_of(1, {{1, "b", std::nullopt}, {1, "c", "new"}})), 2U);
  }
  Store store = opened();
  EXPECT_EQ(*store.revision(), 2U);
  const std::vector<Record> everything{{1, "a", kBytes, 1}, {2, "a", "two", 1}, {1, "c", "new", 2}};
  EXPECT_EQ(all_since(store, 0), everything);
  const std::vector<Record> later{{1, "b", std::nullopt, 2}, {1, "c", "new", 2}};
  EXPECT_EQ(all_since(store, 1), later);
  EXPECT_TRUE(all_since(store, 2).empty());
  EXPECT_EQ(*store.value(1, "a"), std::optional(kBytes));
  EXPECT_EQ(*store.value(1, "b"), std::nullopt);  // removed
  EXPECT_EQ(*store.value(3, "a"), std::nullopt);
}

TEST_P(Stores, WriteNothingFromARevisionThatWasOvertaken) {
  Store store = made();
  ASSERT_EQ(*store.commit(change_of(0, {{1, "a", "one"}})), 1U);
  const auto late = store.commit(change_of(0, {{1, "a", "two"}}));
  ASSERT_TRUE(late);
  EXPECT_FALSE(late->has_value());
  EXPECT_EQ(all_since(store, 0), (std::vector<Record>{{1, "a", "one", 1}}));
  EXPECT_EQ(store.audit(9)->size(), 1U);
}

TEST_P(Stores, ChainTheAudit) {
  Store store = made();
  for (std::uint64_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(store.commit(change_of(i, {{1, "a", std::to_string(i)}})));
  }
  ASSERT_TRUE(store.note("bob", "looked", 5));
  EXPECT_EQ(*store.verify_audit(), 6U);
  const auto last = store.audit(2);
  ASSERT_EQ(last->size(), 2U);
  EXPECT_EQ((*last)[1].who, "bob");
  EXPECT_EQ((*last)[1].revision, 5U);
  // Changed, left out, put in: each is found at its line.
  const auto broken_by = [&](const std::string& sql, const std::string& undo, const char* line) {
    ASSERT_TRUE(store.database().run(sql)) << sql;
    const auto verified = store.verify_audit();
    ASSERT_FALSE(verified) << sql;
    EXPECT_NE(verified.error().text().find(line), std::string::npos) << verified.error().text();
    ASSERT_TRUE(store.database().run(undo));
  };
  broken_by("UPDATE krait_audit SET at_s = at_s + 1 WHERE number = 3",
            "UPDATE krait_audit SET at_s = at_s - 1 WHERE number = 3", "line 3");
  broken_by("UPDATE krait_audit SET number = 99 WHERE number = 2",
            "UPDATE krait_audit SET number = 2 WHERE number = 99", "line 2");
  broken_by("DELETE FROM krait_audit WHERE number = 6", "SELECT 1", "line 6");
}

TEST_P(Stores, RefuseTablesOfAnotherVersion) {
  {
    Store store = made();
    ASSERT_TRUE(store.database().run("UPDATE krait_number SET value = 99 WHERE name = 'schema'"));
  }
  const auto newer = Store::open(connect());
  ASSERT_FALSE(newer);
  EXPECT_NE(newer.error().text().find("newer"), std::string::npos);
  EXPECT_FALSE(Store::migrate(*connect()));
  ASSERT_TRUE(connect()->run("UPDATE krait_number SET value = 0 WHERE name = 'schema'"));
  const auto older = Store::open(connect());
  ASSERT_FALSE(older);
  EXPECT_NE(older.error().text().find("krait-coordinator migrate"), std::string::npos);
}

TEST_P(Stores, AreMadeOnce) {
  std::ignore = made();
  EXPECT_FALSE(Store::create(connect()));
  const auto migrated = Store::migrate(*connect());
  ASSERT_TRUE(migrated) << migrated.error().text();
  EXPECT_EQ(*migrated, kSchema);
}

// A child commits as fast as it can and says so after each; it is killed at any moment, again and again. What it said
// is there, nothing is there in half, and the chain holds.
TEST_P(Stores, LoseNothingWhenTheirProcessIsKilled) {
  {
    Store store = made();
  }
  for (int round = 0; round < 6; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      auto store = Store::open(GetParam() == Where::sqlite ? *open_sqlite(where_, true) : *open_postgresql(where_));
      for (std::uint64_t base = store ? *store->revision() : 0; store; ++base) {
        const std::string text = std::to_string(base + 1);
        if (!store->commit(change_of(base, {{1, "left", text}, {1, "right", text}}))) {
          break;
        }
        std::ignore = ::write(pipe[1], &base, sizeof(base));
      }
      ::_exit(1);
    }
    ::close(pipe[1]);
    std::uint64_t said = 0;
    for (int i = 0; i < 3 + round * 2; ++i) {
      ASSERT_EQ(::read(pipe[0], &said, sizeof(said)), static_cast<ssize_t>(sizeof(said)));
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(pipe[0], &said, sizeof(said)) == static_cast<ssize_t>(sizeof(said))) {
    }
    ::close(pipe[0]);
    Store store = opened();
    const auto revision = store.revision();
    ASSERT_TRUE(revision);
    EXPECT_GE(*revision, said + 1);
    const auto records = all_since(store, 0);
    ASSERT_EQ(records.size(), 2U);
    EXPECT_EQ(records[0].value, std::to_string(*revision));
    EXPECT_EQ(records[1].value, records[0].value);
    EXPECT_EQ(*store.verify_audit(), *revision);
  }
}

INSTANTIATE_TEST_SUITE_P(Both, Stores, ::testing::Values(Where::sqlite, Where::postgresql), [](const auto& of) {
  return std::string(of.param == Where::sqlite ? "Sqlite" : "Postgresql");
});

// Two coordinators that commit at once: each revision is one's, and each hears of the other's.
TEST(Postgresql, ServesSeveralAtOnce) {
  ASSERT_NE(server(), nullptr);
  const std::string where = server()->make_database("several");
  auto first = Store::create(*open_postgresql(where));
  ASSERT_TRUE(first) << first.error().text();
  constexpr std::uint64_t kEach = 40;
  const auto work = [&](const std::string& who, int& overtaken) {
    auto store = Store::open(*open_postgresql(where));
    std::uint64_t done = 0;
    while (store && done < kEach) {
      auto change = change_of(*store->revision(), {{1, who, std::to_string(done)}});
      change.who = who;
      const auto committed = store->commit(change);
      ASSERT_TRUE(committed) << committed.error().text();
      done += committed->has_value() ? 1 : 0;
      overtaken += committed->has_value() ? 0 : 1;
    }
  };
  int one_overtaken = 0;
  int other_overtaken = 0;
  std::thread other([&] { work("other", other_overtaken); });
  work("one", one_overtaken);
  other.join();
  EXPECT_EQ(*first->revision(), 2 * kEach);
  EXPECT_EQ(*first->verify_audit(), 2 * kEach);
  ASSERT_GE(first->database().notice_fd(), 0);
  auto heard = first->database().take_notices();
  ASSERT_TRUE(heard);
  for (int i = 0; i < 100 && !*heard; ++i) {
    pollfd waiting{first->database().notice_fd(), POLLIN, 0};
    ::poll(&waiting, 1, 100);
    heard = first->database().take_notices();
  }
  EXPECT_TRUE(*heard);
}

TEST(Postgresql, IsConnectedAnewAfterItsServerCrashed) {
  ASSERT_NE(server(), nullptr);
  auto store = Store::create(*open_postgresql(server()->make_database("crashed")));
  ASSERT_TRUE(store);
  ASSERT_TRUE(store->commit(change_of(0, {{1, "a", "kept"}})));
  server()->stop();
  const auto gone = store->commit(change_of(1, {{1, "a", "lost"}}));
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), common::ErrorCode::unavailable) << gone.error().text();
  ASSERT_TRUE(server()->start_again());
  ASSERT_TRUE(server()->crash_and_restart());
  auto revision = store->revision();
  for (int i = 0; i < 3 && !revision; ++i) {
    revision = store->revision();
  }
  ASSERT_TRUE(revision) << revision.error().text();
  EXPECT_EQ(*revision, 1U);
  EXPECT_EQ(*store->commit(change_of(1, {{1, "a", "again"}})), 2U);
}

// A file that may not grow: what does not fit is not half there, and what fits later is taken.
TEST(Sqlite, SaysThatItsDiskIsFull) {
  const common::TestFolder folder;
  {
    auto store = Store::create(*open_sqlite(folder.at("network.db"), false));
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->database().run("PRAGMA max_page_count = 20"));
    const auto full = store->commit(change_of(0, {{1, "small", "x"}, {1, "large", std::string(1U << 20U, 'x')}}));
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code(), common::ErrorCode::limit) << full.error().text();
    EXPECT_TRUE(all_since(*store, 0).empty());
    EXPECT_EQ(*store->commit(change_of(0, {{1, "small", "x"}})), 1U);
    EXPECT_EQ(*store->verify_audit(), 1U);
  }
}

TEST(Sqlite, IsCopiedWhole) {
  const common::TestFolder folder;
  {
    auto store = Store::create(*open_sqlite(folder.at("network.db"), false));
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->commit(change_of(0, {{1, "a", kBytes}})));
    ASSERT_TRUE(store->database().copy_to(folder.at("copy.db")));
    EXPECT_FALSE(store->database().copy_to(folder.at("copy.db")));
    auto copy = Store::open(*open_sqlite(folder.at("copy.db"), true));
    ASSERT_TRUE(copy) << copy.error().text();
    EXPECT_EQ(all_since(*copy, 0), all_since(*store, 0));
    // One process has a network at a time.
    EXPECT_FALSE(open_sqlite(folder.at("network.db"), true));
  }
}

}  // namespace
}  // namespace krait::records
