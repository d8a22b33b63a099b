// What a snapshot map remembers, on a map in the kernel. Needs root.
#include "krait/datapath/snapshot_map.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <vector>

#include "common/fd.h"

namespace krait::datapath {
namespace {

constexpr std::uint32_t kPages = 3;

std::vector<std::byte> image(std::byte fill) {
  std::vector<std::byte> bytes(std::size_t{kPages} * KRAIT_PAGE_BYTES, fill);
  krait_snapshot_header header{};
  header.magic = KRAIT_SNAPSHOT_MAGIC;
  header.abi_version = KRAIT_ABI_VERSION;
  header.revision = 1;
  header.pages = kPages;
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

// With one rule's record in the second page.
std::vector<std::byte> image_with(const krait_rule_record& record) {
  std::vector<std::byte> bytes = image(std::byte{0});
  krait_snapshot_header header{};
  std::memcpy(&header, bytes.data(), sizeof(header));
  header.rule_page = 1;
  header.rule_records = 1;
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::memcpy(bytes.data() + KRAIT_PAGE_BYTES, &record, sizeof(record));
  return bytes;
}

class SnapshotMapTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "skipped: making BPF maps needs root";
    }
    bpf_map_create_opts options{};
    options.sz = sizeof(options);
    options.map_flags = BPF_F_MMAPABLE;
    fd_.reset(bpf_map_create(BPF_MAP_TYPE_ARRAY, "pages", sizeof(std::uint32_t), KRAIT_PAGE_BYTES,
                             snapshot_entries(kPages), &options));
    ASSERT_TRUE(fd_.valid()) << std::strerror(errno);
    auto map = SnapshotMap::open(fd_.get(), snapshot_entries(kPages));
    ASSERT_TRUE(map) << map.error().text();
    map_ = std::move(*map);
  }

  common::Fd fd_;
  std::optional<SnapshotMap> map_;
};

// Else a rule that allows for eight hours would begin its eight hours anew behind every krait down.
TEST_F(SnapshotMapTest, RecordsOutliveThatEverythingIsDenied) {
  const krait_rule_record record{.name_hash = 7, .duration_hash = 8, .loaded_boot_ns = 9, .reserved = 0};
  ASSERT_TRUE(map_->fill_inactive(image_with(record)));
  map_->switch_over();
  map_->deny_all();
  auto other = SnapshotMap::open(fd_.get(), snapshot_entries(kPages));
  ASSERT_TRUE(other) << other.error().text();
  ASSERT_FALSE(other->active());
  const auto records = other->rule_records();
  ASSERT_TRUE(records) << records.error().text();
  ASSERT_EQ(records->size(), 1U);
  EXPECT_EQ(records->front().loaded_boot_ns, record.loaded_boot_ns);
  // What is written next leaves them alone until it is switched on.
  ASSERT_TRUE(other->fill_inactive(image(std::byte{0})));
  ASSERT_EQ(other->rule_records()->size(), 1U);
  other->switch_over();
  EXPECT_TRUE(other->rule_records()->empty());
}

TEST_F(SnapshotMapTest, ADamagedControlPageSuspendsNothing) {
  map_->control().suspended = 2;
  EXPECT_TRUE(map_->rule_records()->empty());
  map_->resume();
  EXPECT_FALSE(map_->active());
}

}  // namespace
}  // namespace krait::datapath
