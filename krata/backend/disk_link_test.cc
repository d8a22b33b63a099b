// A disk whose front end's nodes go: the zone's own doing, or the end of the zone.
#include "krata/backend/disk_link.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "krata/store/server_fixture.h"
#include "krata/xen/device_fixture.h"

namespace krata::backend {
namespace {

constexpr std::uint32_t kDomain = 7;
constexpr const char* kFront = "/local/domain/7/device/vbd/51712";
constexpr const char* kBackState = "/local/domain/0/krata/vbd/7/51712/state";

class EmptyMedium final : public block::Medium {
 public:
  [[nodiscard]] std::uint64_t sectors() const override { return 8; }
  [[nodiscard]] bool read_only() const override { return true; }
  bool read(std::uint64_t /*sector*/, block::Pieces /*into*/) override { return true; }
  bool write(std::uint64_t /*sector*/, block::Pieces /*from*/) override { return true; }
  bool flush() override { return true; }
  bool discard(std::uint64_t /*sector*/, std::uint64_t /*sectors*/) override { return true; }
};

xen::Mapping memory() {
  return {::mmap(nullptr, sizeof(block::DiskMemory), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
          sizeof(block::DiskMemory)};
}

class DiskLinkTest : public testing::Test {
 protected:
  DiskLinkTest() {
    write("/local/domain/7/domid", "7");
    write(std::string(kFront) + "/state", "1");
    EXPECT_TRUE(link_.start());
  }
  void write(const std::string& path, const std::string& value) { EXPECT_TRUE(store_.client().write(path, value)); }
  void remove(const std::string& path) {
    EXPECT_TRUE(store_.client().remove(path));
    link_.look();
  }
  std::string back_state() { return store_.client().read(kBackState).value_or("none"); }

  store::ServedStore store_;
  std::unique_ptr<xen::TestEvents> events_ = xen::TestEvents::create();
  xen::TestGrants grants_;
  common::Log log_{"test"};
  Zone zone_{.domain = kDomain, .log = log_, .store = store_.client(), .events = *events_, .grants = grants_};
  DiskLink link_{zone_, 51712, std::make_unique<EmptyMedium>(), memory()};
};

TEST_F(DiskLinkTest, AZoneThatRemovesItsNodesIsStillThere) {
  EXPECT_EQ(back_state(), "2");
  remove(kFront);
  EXPECT_FALSE(link_.is_finished()) << "its domain has its disk for as long as it is there";
  EXPECT_EQ(back_state(), "6");
  write(std::string(kFront) + "/state", "1");
  link_.look();
  EXPECT_EQ(back_state(), "2") << "it may begin once more";
}

TEST_F(DiskLinkTest, WhenTheDomainsOwnNodesAreGoneItIsOver) {
  remove(kFront);
  remove("/local/domain/7");
  EXPECT_TRUE(link_.is_finished());
}

}  // namespace
}  // namespace krata::backend
