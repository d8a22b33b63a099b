#include "lab/traffic/traffic.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>

#include "common/test_folder.h"
#include "lab/traffic/state.h"

namespace lab {
namespace {

constexpr std::uint64_t kMaxMs = 10'000;

// Runs `work` in a child, which the destructor ends.
class Child {
 public:
  explicit Child(const std::function<common::Result<void>()>& work) : pid_(::fork()) {
    if (pid_ == 0) {
      ::_exit(work() ? 0 : 1);
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { stop(); }
  void stop() {
    if (pid_ > 0) {
      ::kill(pid_, SIGTERM);
      ::waitpid(pid_, nullptr, 0);
      pid_ = -1;
    }
  }

 private:
  pid_t pid_;
};

class Traffic : public testing::Test {
 protected:
  [[nodiscard]] Plan plan(const std::string& name, std::uint16_t port) const {
    Plan plan;
    plan.endpoint = {*common::Ip::parse("127.0.0.1"), port};
    plan.state_file = directory_.at(name);
    plan.records_per_s = 2000;
    return plan;
  }
  // A port of the range that the kernel hands out itself is unlikely to be free twice, so the process number picks one.
  static std::uint16_t port(unsigned which) {
    return static_cast<std::uint16_t>(20'000U + static_cast<unsigned>(::getpid()) % 5000U * 2U + which);
  }

 private:
  common::TestFolder directory_;
};

bool is_listening(const Counts& counts) { return counts.phase == Phase::listening; }

TEST_F(Traffic, TcpCountsBothDirectionsInSequence) {
  const Plan server = plan("a", port(0));
  const Plan client = plan("b", port(0));
  auto a = State::open(server.state_file);
  auto b = State::open(client.state_file);
  ASSERT_TRUE(a && b);
  Child serving([&] { return serve_tcp(server); });
  ASSERT_TRUE(a->wait(is_listening, kMaxMs));
  const std::uint64_t before_ns = realtime_ns();
  Child sending([&] { return send_tcp(client); });
  EXPECT_TRUE(a->wait([](const Counts& c) { return c.received >= 500; }, kMaxMs));
  EXPECT_TRUE(b->wait([](const Counts& c) { return c.received >= 500; }, kMaxMs));
  EXPECT_EQ(a->counts().misplaced, 0U);
  EXPECT_EQ(b->counts().misplaced, 0U);
  EXPECT_EQ(a->counts().connections, 1U);
  EXPECT_GE(a->counts().first_ns, before_ns);
  EXPECT_LE(a->counts().last_ns, realtime_ns());
  sending.stop();
  EXPECT_TRUE(a->wait([](const Counts& c) { return c.phase == Phase::closed; }, kMaxMs));
  EXPECT_EQ(b->counts().phase, Phase::finished);
}

TEST_F(Traffic, UdpLosesNothingOnceBothEndsPause) {
  const Plan server = plan("a", port(1));
  const Plan client = plan("b", port(1));
  auto a = State::open(server.state_file);
  auto b = State::open(client.state_file);
  ASSERT_TRUE(a && b);
  Child serving([&] { return serve_udp(server); });
  ASSERT_TRUE(a->wait(is_listening, kMaxMs));
  Child sending([&] { return send_udp(client); });
  EXPECT_TRUE(b->wait([](const Counts& c) { return c.received >= 500; }, kMaxMs));
  for (const auto& state : {&a, &b}) {
    ::kill(static_cast<pid_t>((*state)->counts().pid.load()), SIGUSR1);
    EXPECT_TRUE((*state)->wait([](const Counts& c) { return c.phase == Phase::paused; }, kMaxMs));
  }
  EXPECT_TRUE(a->wait([&](const Counts& c) { return c.received == b->counts().sent; }, kMaxMs));
  EXPECT_TRUE(b->wait([&](const Counts& c) { return c.received == a->counts().sent; }, kMaxMs));
  EXPECT_EQ(a->counts().misplaced, 0U);
  EXPECT_EQ(b->counts().misplaced, 0U);
}

TEST_F(Traffic, UdpRecordsThatTravelInOnePieceAreCountedOneByOne) {
  Plan server = plan("a", port(1));
  Plan client = plan("b", port(1));
  server.record_bytes = client.record_bytes = 1200;
  client.segments = 20;
  auto a = State::open(server.state_file);
  auto b = State::open(client.state_file);
  ASSERT_TRUE(a && b);
  Child serving([&] { return serve_udp(server); });
  ASSERT_TRUE(a->wait(is_listening, kMaxMs));
  Child sending([&] { return send_udp(client); });
  EXPECT_TRUE(a->wait([](const Counts& c) { return c.received >= 500; }, kMaxMs));
  ::kill(static_cast<pid_t>(b->counts().pid.load()), SIGUSR1);
  EXPECT_TRUE(b->wait([](const Counts& c) { return c.phase == Phase::paused; }, kMaxMs));
  EXPECT_TRUE(a->wait([&](const Counts& c) { return c.received == b->counts().sent; }, kMaxMs));
  EXPECT_EQ(a->counts().received % 20, 0U);
  EXPECT_EQ(a->counts().misplaced, 0U);
}

TEST_F(Traffic, TellsHowManyCameWithinASpan) {
  auto a = State::open(plan("a", 0).state_file);
  ASSERT_TRUE(a);
  a->begin(Phase::connected);
  for (std::uint64_t i = 0; i < kTimes + 10; ++i) {
    a->count_received(i, 1000 + i);
  }
  EXPECT_EQ(a->received_within(1000 + kTimes + 9, 9999999), 0U);
  EXPECT_EQ(a->received_within(1000 + kTimes + 5, 1000 + kTimes + 7), 2U);
  EXPECT_EQ(a->received_within(0, 9999999), kTimes);
}

TEST_F(Traffic, WaitingInVainEnds) {
  auto a = State::open(plan("a", 0).state_file);
  ASSERT_TRUE(a);
  EXPECT_FALSE(a->wait([](const Counts& c) { return c.received > 0; }, 20));
}

TEST_F(Traffic, AGapAndADisorderAreSeen) {
  auto a = State::open(plan("a", 0).state_file);
  ASSERT_TRUE(a);
  a->begin(Phase::connected);
  a->count_received(0, 1000);
  a->count_received(1, 5000);
  a->count_received(4, 6000);
  a->count_received(2, 6500);
  EXPECT_EQ(a->counts().received, 4U);
  EXPECT_EQ(a->counts().highest, 5U);
  EXPECT_EQ(a->counts().misplaced, 2U);
  EXPECT_EQ(a->counts().first_ns, 1000U);
  EXPECT_EQ(a->counts().last_ns, 6500U);
  EXPECT_EQ(a->counts().largest_gap_ns, 4000U);
}

}  // namespace
}  // namespace lab
