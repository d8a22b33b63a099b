// Edits of the active snapshot, on a map in the kernel. Needs root.
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

  std::uint32_t word(std::size_t offset) {
    const std::size_t at = std::size_t{map_->control().active} * KRAIT_PAGE_BYTES + offset;
    const auto memory = MappedMap::map(fd_.get(), at, sizeof(std::uint32_t));
    std::uint32_t word = 0;
    std::memcpy(&word, memory->memory().data(), sizeof(word));
    return word;
  }

  common::Fd fd_;
  std::optional<SnapshotMap> map_;
};

TEST_F(SnapshotMapTest, EveryEditBuildsOnTheOnesBefore) {
  const std::size_t last = std::size_t{kPages} * KRAIT_PAGE_BYTES - 4;
  ASSERT_TRUE(map_->fill_inactive(image(std::byte{0})));
  map_->switch_over();
  ASSERT_TRUE(map_->begin_edits());
  map_->edit(std::vector<compile::Patch>{{8192, 1}, {last, 2}}, 2);
  EXPECT_EQ((*map_->header())->revision, 2U);
  EXPECT_EQ(word(8192), 1U);
  EXPECT_EQ(word(last), 2U);
  map_->edit(std::vector<compile::Patch>{{8192, 3}}, 3);
  EXPECT_EQ(word(8192), 3U);
  EXPECT_EQ(word(last), 2U) << "the other buffer got the first edit too";
  map_->edit({}, 4);
  EXPECT_EQ((*map_->header())->revision, 4U);
  EXPECT_EQ(word(8192), 3U);
  EXPECT_EQ(word(last), 2U);
}

TEST_F(SnapshotMapTest, AWholeSnapshotEndsTheEdits) {
  ASSERT_TRUE(map_->fill_inactive(image(std::byte{0})));
  map_->switch_over();
  ASSERT_TRUE(map_->begin_edits());
  map_->edit(std::vector<compile::Patch>{{8192, 1}}, 2);
  ASSERT_TRUE(map_->fill_inactive(image(std::byte{0x11})));
  map_->switch_over();
  ASSERT_TRUE(map_->begin_edits());
  map_->edit(std::vector<compile::Patch>{{4096, 5}}, 3);
  EXPECT_EQ(word(4096), 5U);
  EXPECT_EQ(word(8192), 0x11111111U);
}

TEST_F(SnapshotMapTest, WithoutASnapshotThereIsNothingToEdit) {
  ASSERT_TRUE(map_->begin_edits());
  map_->edit(std::vector<compile::Patch>{{8192, 1}}, 2);
  EXPECT_FALSE(map_->active());
}

TEST_F(SnapshotMapTest, ADamagedSnapshotIsNotEdited) {
  auto damaged = image(std::byte{0});
  const std::uint32_t pages = kPages + 1;
  std::memcpy(damaged.data() + offsetof(krait_snapshot_header, pages), &pages, sizeof(pages));
  ASSERT_TRUE(map_->fill_inactive(damaged));
  map_->switch_over();
  const auto begun = map_->begin_edits();
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().code(), common::ErrorCode::invalid_input);
  map_->edit(std::vector<compile::Patch>{{8192, 1}}, 2);
  EXPECT_EQ((*map_->header())->revision, 1U);
}

}  // namespace
}  // namespace krait::datapath
