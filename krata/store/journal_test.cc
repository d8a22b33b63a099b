#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <random>

#include "common/test_folder.h"
#include "krata/store/journal.h"
#include "krata/store/record.h"
#include "krata/store/store_fixture.h"

namespace krata::store {

namespace {

namespace fs = std::filesystem;
using enum Operation;

constexpr std::size_t kSmallLogBytes = 2000;

// All that outlives a process, as bytes.
std::string picture(const Store& store) {
  std::string bytes;
  for (const Change& change : store.saved()) {
    append_change(bytes, change);
  }
  return bytes;
}

class Folder {
 public:
  [[nodiscard]] std::string state() const { return folder_.at("state"); }
  [[nodiscard]] std::string file(int i) const { return state() + "/state." + std::to_string(i); }

 private:
  common::TestFolder folder_;
};

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void put(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A store with its journal.
struct Kept {
  explicit Kept(const Folder& folder, std::size_t min_log_bytes = kSmallLogBytes)
      : t(Quota{}, true), journal(Journal::open(folder.state(), t.store, min_log_bytes)) {}

  void keep() {
    const Changes changes = t.store.take_changes();
    if (!changes.empty()) {
      const auto kept = (*journal)->keep(changes);
      ASSERT_TRUE(kept.has_value()) << kept.error().text();
    }
  }

  TestStore t;
  common::Result<std::unique_ptr<Journal>> journal;
};

void change_something(TestStore& t, std::mt19937& random) {
  const std::string path = "/n" + std::to_string(random() % 5) + "/m" + std::to_string(random() % 3);
  switch (random() % 6) {
    case 0:
      t.ask(Operation::remove, path + "|");
      break;
    case 1:
      t.ask(set_permissions, path + "|n0|r" + std::to_string(random() % 9) + "|");
      break;
    case 2: {
      const std::uint32_t id = t.start();
      t.ask(Operation::write, path + "|in", id);
      t.ask(Operation::write, "/other|in", id);
      t.ask(transaction_end, "T|", id);
      break;
    }
    default:
      t.ask(Operation::write, path + "|" + std::string(random() % 60, 'v'));
  }
}

TEST(Journal, RestoresWhatWasKept) {
  const Folder folder;
  std::string before;
  {
    Kept kept(folder);
    ASSERT_TRUE(kept.journal.has_value()) << kept.journal.error().text();
    kept.t.introduce(1);
    kept.t.introduce(2);
    kept.t.ask(set_target, "2|1|");
    kept.t.ask(set_permissions, "@releaseDomain|n0|r1|");
    kept.t.ask(1, Operation::watch, "device|token|3|");
    kept.t.ask(1, Operation::write, "device/x|v");
    EXPECT_EQ(kept.t.start(1), 1U);
    kept.keep();
    before = picture(kept.t.store);
  }
  Kept again(folder);
  ASSERT_TRUE(again.journal.has_value()) << again.journal.error().text();
  EXPECT_EQ(picture(again.t.store), before);
  again.t.ask(Operation::write, "/local/domain/1/device/y|");
  EXPECT_EQ(again.t.told(1), (std::vector<std::string>{"device/y|token|"})) << "the domain still watches";
  EXPECT_EQ(again.t.ask(1, Operation::read, "device/x|", 1), "v") << "its transaction is still open";
  EXPECT_EQ(again.t.ask(1, transaction_end, "T|", 1), "EAGAIN|");
  EXPECT_EQ(again.t.start(1), 2U);
}

// Whatever is left of the last record, everything before it is there, and nothing of it.
TEST(Journal, DropsAHalfWrittenRecord) {
  const Folder folder;
  std::mt19937 random(5);
  std::vector<std::pair<std::size_t, std::string>> states;  // size of the file, and the state then
  {
    Kept kept(folder, 1 << 20);
    states.emplace_back(fs::file_size(folder.file(1)), picture(kept.t.store));
    for (int i = 0; i < 25; ++i) {
      change_something(kept.t, random);
      kept.keep();
      states.emplace_back(fs::file_size(folder.file(1)), picture(kept.t.store));
    }
  }
  const std::string whole = contents(folder.file(1));
  ASSERT_EQ(whole.size(), states.back().first);
  for (std::size_t size = states.front().first, at = 0; size <= whole.size(); ++size) {
    at += at + 1 < states.size() && states[at + 1].first <= size ? 1 : 0;
    put(folder.file(1), std::string_view(whole).substr(0, size));
    const Kept again(folder, 1 << 20);
    ASSERT_TRUE(again.journal.has_value()) << again.journal.error().text();
    ASSERT_EQ(picture(again.t.store), states[at].second) << "cut at byte " << size;
    ASSERT_EQ(fs::file_size(folder.file(1)), states[at].first) << "the rest is cut off";
  }
}

TEST(Journal, DropsADamagedRecordAndAllBehindIt) {
  const Folder folder;
  std::string first;
  std::size_t end_of_first = 0;
  {
    Kept kept(folder, 1 << 20);
    kept.t.ask(Operation::write, "/a|1");
    kept.keep();
    first = picture(kept.t.store);
    end_of_first = fs::file_size(folder.file(1));
    kept.t.ask(Operation::write, "/b|2");
    kept.keep();
  }
  std::string bytes = contents(folder.file(1));
  bytes[end_of_first + 20] = static_cast<char>(bytes[end_of_first + 20] ^ 1);
  put(folder.file(1), bytes);
  const Kept again(folder);
  ASSERT_TRUE(again.journal.has_value());
  EXPECT_EQ(picture(again.t.store), first);
}

TEST(Journal, IsWrittenAnewBeforeItGrows) {
  const Folder folder;
  std::mt19937 random(7);
  std::string before;
  std::size_t rewrites = 0;
  {
    Kept kept(folder);
    bool is_second = true;
    for (int i = 0; i < 600; ++i) {
      change_something(kept.t, random);
      kept.keep();
      ASSERT_LE(fs::file_size(folder.file(0)) + fs::file_size(folder.file(1)), 6 * kSmallLogBytes);
      const bool uses_second = fs::file_size(folder.file(1)) != 0;
      rewrites += uses_second != is_second ? 1 : 0;
      is_second = uses_second;
    }
    before = picture(kept.t.store);
  }
  EXPECT_GT(rewrites, 5U);
  const Kept again(folder);
  EXPECT_EQ(picture(again.t.store), before);
}

// The process dies while it writes the whole state, of several records: the file before still counts.
TEST(Journal, KeepsTheOldFileUntilTheNewOneIsWhole) {
  constexpr std::size_t kSeveralRecords = 150'000;
  constexpr std::size_t kStride = 1009;
  const Folder folder;
  int newer = 0;  // which of the files
  std::string old;
  std::string old_state;
  std::string newer_state;
  {
    Kept kept(folder);
    while (fs::file_size(folder.file(newer)) < kSeveralRecords || newer_state == old_state) {
      const int in_use = fs::file_size(folder.file(0)) == 0 ? 1 : 0;
      old = contents(folder.file(in_use));
      old_state = picture(kept.t.store);
      kept.t.ask(Operation::write,
                 "/big/" + std::to_string(kept.t.store.tree().generation()) + "|" + std::string(2000, 'x'));
      kept.keep();
      newer = 1 - in_use;
      newer_state = picture(kept.t.store);
    }
  }
  const std::string whole = contents(folder.file(newer));
  for (std::size_t size = 0; size <= whole.size();
       size += std::min(kStride, std::max<std::size_t>(whole.size() - size, 1))) {
    put(folder.file(1 - newer), old);
    put(folder.file(newer), std::string_view(whole).substr(0, size));
    const Kept again(folder);
    ASSERT_TRUE(again.journal.has_value()) << "cut at byte " << size << ": " << again.journal.error().text();
    const bool is_right = picture(again.t.store) == (size == whole.size() ? newer_state : old_state);
    ASSERT_TRUE(is_right) << "cut at byte " << size;
  }
}

TEST(Journal, IsOneStoresOnly) {
  const Folder folder;
  const Kept kept(folder);
  const Kept other(folder);
  ASSERT_FALSE(other.journal.has_value());
  EXPECT_EQ(other.journal.error().code(), common::ErrorCode::unavailable) << other.journal.error().text();
}

TEST(Journal, BeginsAnewWhereTheFirstStateWasNotFinished) {
  const Folder folder;
  {
    ASSERT_TRUE(Kept(folder).journal.has_value());
  }
  const std::string whole = contents(folder.file(1));
  ASSERT_GT(whole.size(), 24U) << "a head and more";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    put(folder.file(1), std::string_view(whole).substr(0, size));
    const Kept again(folder);
    ASSERT_TRUE(again.journal.has_value()) << size << " bytes: " << again.journal.error().text();
    ASSERT_EQ(contents(folder.file(1)), whole);
    ASSERT_EQ(contents(folder.file(0)), "");
  }
  std::string damaged = whole;
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  put(folder.file(1), damaged);
  const Kept refused(folder);
  ASSERT_FALSE(refused.journal.has_value()) << "it may have been whole";
  EXPECT_EQ(refused.journal.error().code(), common::ErrorCode::invalid_input);
}

TEST(Journal, RefusesFilesThatItDidNotWrite) {
  const Folder folder;
  fs::create_directory(folder.state());
  put(folder.file(0), "something else altogether, and longer than a head");
  const Kept kept(folder);
  ASSERT_FALSE(kept.journal.has_value());
  EXPECT_EQ(kept.journal.error().code(), common::ErrorCode::invalid_input);
  EXPECT_NE(kept.journal.error().text().find("move them away"), std::string::npos) << kept.journal.error().text();
}

TEST(Journal, SaysWhenThereIsNoRoomAndKeepsWhatItHas) {
  const Folder folder;
  std::string before;
  {
    Kept kept(folder);
    kept.t.ask(Operation::write, "/a|1");
    kept.keep();
    before = picture(kept.t.store);
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
    const rlimit tight{.rlim_cur = fs::file_size(folder.file(1)) + 10, .rlim_max = limit.rlim_max};
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    kept.t.ask(Operation::write, "/b|" + std::string(500, 'x'));
    const auto kept_it = (*kept.journal)->keep(kept.t.store.take_changes());
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    std::signal(SIGXFSZ, handler);
    ASSERT_FALSE(kept_it.has_value());
    EXPECT_NE(kept_it.error().text().find("make room"), std::string::npos) << kept_it.error().text();
  }
  const Kept again(folder);
  ASSERT_TRUE(again.journal.has_value()) << again.journal.error().text();
  EXPECT_EQ(picture(again.t.store), before);
}

}  // namespace

}  // namespace krata::store
