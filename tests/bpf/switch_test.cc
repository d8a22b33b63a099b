// Two revisions that have nothing in common are switched to and fro while packets are judged on another CPU: every
// packet is judged by one of them as a whole.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "krait/abi/selector.h"
#include "krait/compile/compile.h"
#include "krait/datapath/packet_runner.h"
#include "tests/packets/packet.h"

namespace krait::bpf_test {
namespace {

constexpr std::uint32_t kHosts = 200;
constexpr std::uint16_t kPort = 80;
constexpr int kSwitches = 300;
constexpr std::uint32_t kPages = 1024;

common::Ip host(std::uint32_t number) {
  common::Ip ip;
  ip.bytes = {10, 1, static_cast<std::uint8_t>(number >> 8U), static_cast<std::uint8_t>(number)};
  return ip;
}

// Revision 0: host n has identity n of tag 1000 + n, and everybody may talk, by rule 0. Revision 1: the other way
// round, with tags of 5000 and up, and everything is denied by rule 1.
compile::Snapshot revision(int number) {
  model::Policy policy;
  std::vector<compile::Binding> bindings;
  for (std::uint32_t i = 0; i < kHosts; ++i) {
    const std::uint32_t tag = number == 0 ? 1000 + i : 5000 + kHosts - i;
    policy.identities.push_back({fmt::format("identity{}", i), tag, {}});
    bindings.push_back({common::Prefix::host(host(i)), i, i, false});
  }
  const model::SelectorRange web{KRAIT_SELECTOR_TCP + kPort, KRAIT_SELECTOR_TCP + kPort};
  const model::Subjects any{true, {}};
  const model::Subjects nearly_nobody{false, {kHosts - 1}};
  const auto rule = [&](const char* name, model::Action action, const model::Subjects& to) {
    return model::Rule{
        .name = name, .action = action, .from = any, .to = to, .selectors = {web}, .expires = {}, .at = {}};
  };
  policy.rules.push_back(rule("allow", model::Action::allow, number == 0 ? any : nearly_nobody));
  policy.rules.push_back(rule("deny", model::Action::deny, number == 1 ? any : nearly_nobody));
  auto snapshot = compile::compile_snapshot(bindings, policy, static_cast<std::uint64_t>(number) + 1);
  EXPECT_TRUE(snapshot) << snapshot.error().text();
  return snapshot ? std::move(*snapshot) : compile::Snapshot{};
}

krait_trace expected(int number, std::uint32_t source) {
  if (number == 0) {
    return {.reason = KRAIT_ALLOWED, .source_tag = 1000 + source, .destination_tag = 1000, .rule = 1};
  }
  return {.reason = KRAIT_REASON_DENIED_BY_RULE,
          .source_tag = 5000 + kHosts - source,
          .destination_tag = 5000 + kHosts,
          .rule = 2};
}

struct Tally {
  std::uint64_t by_revision[2] = {0, 0};
  std::string mix;  // the first one seen
};

// Sends one packet after the other until told to stop.
void judge_packets(datapath::PacketRunner& runner, const std::atomic<bool>& stop, Tally& tally) {
  for (std::uint32_t n = 1; !stop.load(std::memory_order_relaxed); n = n % (kHosts - 2) + 1) {
    const auto run = runner.run(packets::Packet(host(n), host(0)).tcp(1000, kPort, packets::kRst).frame(), {});
    if (!run) {
      tally.mix = run.error().text();
      return;
    }
    const krait_trace first = expected(0, n);
    const krait_trace second = expected(1, n);
    if (std::memcmp(&run->trace, &first, sizeof(first)) == 0) {
      ++tally.by_revision[0];
    } else if (std::memcmp(&run->trace, &second, sizeof(second)) == 0) {
      ++tally.by_revision[1];
    } else {
      tally.mix = fmt::format("reason {}, from {} to {}, rule {}", run->trace.reason, run->trace.source_tag,
                              run->trace.destination_tag, run->trace.rule);
      return;
    }
  }
}

TEST(Switch, NoPacketIsJudgedByAMixOfRevisions) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "skipped: loading BPF programs needs root";
  }
  auto runner = datapath::PacketRunner::load(kPages);
  ASSERT_TRUE(runner) << runner.error().text();
  const compile::Snapshot revisions[] = {revision(0), revision(1)};
  ASSERT_TRUE(runner->publish(revisions[0].image));
  std::atomic<bool> stop = false;
  Tally tally;
  std::thread packets([&] { judge_packets(*runner, stop, tally); });
  bool published = true;
  for (int i = 1; i <= kSwitches && published; ++i) {
    published = runner->publish(revisions[i % 2].image).has_value();
  }
  stop = true;
  packets.join();
  EXPECT_TRUE(published);
  EXPECT_EQ(tally.mix, "");
  EXPECT_GT(tally.by_revision[0], 100U);
  EXPECT_GT(tally.by_revision[1], 100U);
}

}  // namespace
}  // namespace krait::bpf_test
