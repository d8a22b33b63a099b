// The host's ends of a zone's console and channel, before a zone that never stops.
#include <gtest/gtest.h>

#include "krata/daemon/channel_link.h"
#include "krata/daemon/console_link.h"
#include "krata/daemon/devices.h"
#include "krata/daemon/host_fixture.h"

namespace krata::daemon {
namespace {

constexpr std::uint32_t kDomain = 7;
constexpr std::uint64_t kFloodBytes = std::uint64_t{1} << 20U;
constexpr std::uint64_t kPeriodBytes = std::uint64_t{256} << 10U;  // Pace's

// Fills the ring whenever it is told that there is room, and at the beginning.
class Flood {
 public:
  Flood(TestHost& host, std::string_view what) : ring_(xen::ByteRing::console_front(host.grants.page())) {
    while (what_.size() < xen::kPageBytes) {
      what_ += what;
    }
    host.event_device->on_notify = [this](xen::Port /*port*/) { pour(); };
    pour();
  }
  void pour() {
    if (said_ < kFloodBytes) {
      said_ += ring_.write(what_).value_or(0);
    }
  }
  [[nodiscard]] std::uint64_t said() const { return said_; }
  [[nodiscard]] bool is_over() const { return said_ >= kFloodBytes && ring_.untaken() == 0U; }

 private:
  xen::ByteRing ring_;
  std::string what_;
  std::uint64_t said_ = 0;
};

TEST(ConsoleLink, AFloodPausesAsItsPaceSays) {
  TestHost host;
  Flood flood(host, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n");
  const auto link = ConsoleLink::open(host, kDomain, 1, host.folder.at("console"), 1);
  ASSERT_TRUE(link) << link.error().text();
  EXPECT_GT(flood.said(), kPeriodBytes / 2);
  EXPECT_LT(flood.said(), kPeriodBytes) << "lines cost more than their bytes";
  host.run_until([&] { return flood.is_over(); });  // nobody rings: it goes on by itself
}

TEST(ConsoleLink, EmptyLinesCostMost) {
  TestHost host;
  Flood flood(host, "\n");
  const auto link = ConsoleLink::open(host, kDomain, 1, host.folder.at("console"), 1);
  ASSERT_TRUE(link) << link.error().text();
  EXPECT_LT(flood.said(), kPeriodBytes / 16);
}

TEST(ChannelLink, AFloodPausesAsItsPaceSays) {
  TestHost host;
  Flood flood(host, std::string_view("\0\0\0\0", 4));
  store::StoreClient& store = host.store.client();
  ASSERT_TRUE(store.write(channel_front(kDomain) + "/ring-ref", "8"));
  ASSERT_TRUE(store.write(channel_front(kDomain) + "/port", "9"));
  ASSERT_TRUE(store.write(channel_front(kDomain) + "/state", "3"));
  const auto link = ChannelLink::open(host, kDomain, 0, [](const channel::Event& /*event*/) {});
  ASSERT_TRUE(link) << link.error().text();
  host.watches->dispatch();
  ASSERT_TRUE((*link)->is_connected());
  EXPECT_GE(flood.said(), kPeriodBytes);
  EXPECT_LT(flood.said(), kPeriodBytes + 2 * xen::kPageBytes);
  host.run_until([&] { return flood.is_over(); });
}

}  // namespace
}  // namespace krata::daemon
