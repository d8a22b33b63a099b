// A flood of new flows that the policy allows: what it may displace is bounded (KRAIT_PAIR_WAYS in krait/abi/maps.h).
#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>

#include "krait/compile/compile.h"
#include "krait/datapath/packet_runner.h"
#include "tests/packets/packet.h"

namespace krait::bpf_test {
namespace {

using packets::Packet;

constexpr std::uint32_t kPlaces = 16384 * KRAIT_FLOW_WAYS;

// Host `name`'s flow number i to db, and db's answer in it.
Packet query(const char* name, std::uint32_t i) {
  return Packet(name, "10.90.0.2").udp(static_cast<std::uint16_t>(i), static_cast<std::uint16_t>(1000 + (i >> 16U)));
}
Packet answer(const char* name, std::uint32_t i) {
  return Packet("10.90.0.2", name).udp(static_cast<std::uint16_t>(1000 + (i >> 16U)), static_cast<std::uint16_t>(i));
}

constexpr const char* kFlooder = "10.90.0.1";
constexpr const char* kVictim = "10.90.0.3";

class Flood : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "skipped: loading BPF programs needs root";
    }
    model::Policy policy;
    policy.identities = {{"flooder", 1, {}}, {"db", 2, {}}, {"victim", 3, {}}};
    policy.rules = {{.name = "all to db",
                     .action = model::Action::allow,
                     .from = {false, {0, 2}},
                     .to = {false, {1}},
                     .selectors = {{KRAIT_SELECTOR_UDP, KRAIT_SELECTOR_UDP + 65535}},
                     .at = {}}};
    const auto host = [](const char* text) { return common::Prefix::host(*common::Ip::parse(text)); };
    const std::vector<compile::Binding> bindings{
        {host(kFlooder), 0, 1, false}, {host("10.90.0.2"), 1, 0, false}, {host(kVictim), 2, 2, false}};
    auto runner = datapath::PacketRunner::load(1024);
    ASSERT_TRUE(runner) << runner.error().text();
    runner_ = std::move(*runner);
    ASSERT_TRUE(runner_->publish(compile::compile_snapshot(bindings, policy, 1)->image));
  }

  void open(const char* from, std::uint32_t flows) {
    for (std::uint32_t i = 0; i < flows; ++i) {
      ASSERT_TRUE(runner_->run(query(from, i).frame(), {.direction = KRAIT_INGRESS})->allowed);
    }
  }

  // Of the first `flows` flows those whose answers still pass.
  std::uint32_t alive(const char* of, std::uint32_t flows) {
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < flows; ++i) {
      const auto run = runner_->run(answer(of, i).frame(), {.direction = KRAIT_EGRESS});
      EXPECT_TRUE(run->allowed || run->trace.reason == KRAIT_REASON_NO_RULE);
      count += run->allowed ? 1 : 0;
    }
    return count;
  }

  std::optional<datapath::PacketRunner> runner_;
};

// Jiffies are read before the flow is: another CPU may have noted a later one by then.
TEST_F(Flood, AFlowSeenInTheFutureIsLive) {
  open(kVictim, 100);
  runner_->advance(static_cast<std::uint64_t>(-1));
  EXPECT_EQ(alive(kVictim, 100), 100U);
}

TEST_F(Flood, LeavesATableThatHasRoomAlone) {
  open(kVictim, 4000);
  runner_->advance(5);
  open(kFlooder, 2 * kPlaces);
  EXPECT_EQ(alive(kVictim, 4000), 4000U);
}

TEST_F(Flood, DisplacesAtMostItsShareOfAFullTable) {
  open(kVictim, 2 * kPlaces);
  const std::uint32_t before = alive(kVictim, 2 * kPlaces);
  ASSERT_GT(before, kPlaces * 9 / 10) << "the table should be full";
  runner_->advance(5);
  open(kFlooder, 2 * kPlaces);
  const std::uint32_t after = alive(kVictim, 2 * kPlaces);
  EXPECT_GE(after, before - kPlaces * KRAIT_PAIR_WAYS / KRAIT_FLOW_WAYS);
  EXPECT_LT(after, before) << "a flow that is allowed gets a place";
}

}  // namespace
}  // namespace krait::bpf_test
