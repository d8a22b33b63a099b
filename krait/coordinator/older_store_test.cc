// A coordinator's database as each release has left it: tests/golden/store/NUMBER.sql, a statement a line. A later
// release reads it, after migrate. A new schema adds a file; one that was released never changes.
#include <gtest/gtest.h>

#include <sstream>

#include "common/file.h"
#include "common/test_folder.h"
#include "krait/coordinator/store_ledger.h"
#include "krait/fleet/network.h"
#include "krait/records/store.h"

namespace krait::coordinator {
namespace {

class OlderStores : public ::testing::Test {
 protected:
  void fill_from(const std::string& golden) const {
    const auto text = common::read_file(golden, std::size_t{4} << 20U);
    ASSERT_TRUE(text) << text.error().text();
    auto database = records::open_sqlite(file, false);
    ASSERT_TRUE(database) << database.error().text();
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
      const auto done = (*database)->run(line);
      ASSERT_TRUE(done) << line << ": " << done.error().text();
    }
  }

  common::TestFolder folder;
  std::string file = folder.at("network.db");
};

TEST_F(OlderStores, TheFirstReleasesIsRead) {
  fill_from("tests/golden/store/1.sql");
  {
    auto database = records::open_sqlite(file, true);
    ASSERT_TRUE(database) << database.error().text();
    const auto from = records::Store::migrate(**database);
    ASSERT_TRUE(from) << from.error().text();
    EXPECT_EQ(*from, 1);
  }
  auto database = records::open_sqlite(file, true);
  ASSERT_TRUE(database) << database.error().text();
  auto store = records::Store::open(std::move(*database));
  ASSERT_TRUE(store) << store.error().text();
  StoreLedger ledger(*store);
  std::vector<fleet::Row> rows;
  const auto revision = ledger.read_since(0, rows);
  ASSERT_TRUE(revision) << revision.error().text();
  EXPECT_GT(*revision, 20U);
  fleet::Network network;
  const auto absorbed = network.absorb(rows);
  ASSERT_TRUE(absorbed) << absorbed.error().text();
  EXPECT_EQ(network.settings().name, "test");
  ASSERT_NE(network.find_host("web1"), nullptr);
  EXPECT_EQ(network.binding("web1")->addresses.front().text(), "10.90.0.1");
  EXPECT_NE(network.telling_for(*network.find_host("web1")).told, nullptr);
  EXPECT_GT(network.policies().size(), 5U);
  EXPECT_GT(network.trusted().lists.back().value.version, 5U);
  const auto lines = store->verify_audit();
  ASSERT_TRUE(lines) << lines.error().text();
  EXPECT_GT(*lines, 20U);
}

}  // namespace
}  // namespace krait::coordinator
