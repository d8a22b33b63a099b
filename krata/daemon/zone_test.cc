// One zone, before a host whose steps fail.
#include "krata/daemon/zone.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>

#include "common/file.h"
#include "krata/channel/zone_channel.h"
#include "krata/daemon/devices.h"
#include "krata/daemon/host_fixture.h"

namespace krata::daemon {
namespace {

using model::End;
using model::Goal;

constexpr std::uint32_t kDomain = 7;
constexpr const char* kDigest = "sha256:00";

class ZoneTest : public testing::Test {
 protected:
  static model::ZoneRecord record() {
    model::ZoneRecord record;
    record.id.bytes.fill(0xab);
    record.spec.name = "web";
    record.spec.image = "localhost/app:1";
    return record;
  }
  // What somebody launched before: the record names its domain.
  static model::ZoneRecord started() {
    model::ZoneRecord made = record();
    made.root = kDigest;
    made.domain = kDomain;
    made.started_s = 1;
    return made;
  }
  void add_domain(std::optional<xen::ShutdownReason> shutdown = {}) {
    xen::DomainInfo info;
    info.id = kDomain;
    info.handle = record().id.bytes;
    info.shutdown = shutdown;
    host_.hypervisor.list.push_back(info);
  }
  // An image's file system with that configuration.
  void add_root(const std::string& config) {
    std::filesystem::create_directories(host_.paths.roots());
    ASSERT_TRUE(common::write_file(host_.paths.root(kDigest), "", 0600));
    ASSERT_TRUE(common::write_file(host_.paths.config(kDigest), config, 0600));
  }
  Zone& add(const model::ZoneRecord& record) {
    EXPECT_TRUE(host_.state->add(record));
    return zone_.emplace(host_, record, [] {});
  }
  void look(int times = 1) {
    for (int i = 0; i < times; ++i) {
      EXPECT_TRUE(zone_->look(host_.hypervisor.list));
    }
  }

  TestHost host_;
  std::optional<Zone> zone_;
};

TEST_F(ZoneTest, AStartThatFailsIsGivenUpAtOnce) {
  add_root("no configuration");
  model::ZoneRecord made = record();
  made.root = kDigest;
  const Zone& zone = add(made);
  look();
  ASSERT_TRUE(zone.record().end) << zone.view().note;
  EXPECT_EQ(zone.record().end->reason, End::Reason::not_started);
  EXPECT_NE(zone.record().end->text, "");
  EXPECT_EQ(zone.state(), control::ZoneState::ended);
}

TEST_F(ZoneTest, LastWordsThatCannotBeHadAreWaitedForAWhile) {
  const Zone& zone = add(started());
  add_domain(xen::ShutdownReason::poweroff);  // whose console cannot be heard: the file that says where it is is gone
  look(4);
  EXPECT_FALSE(zone.record().end) << "it may be heard the next time";
  look(2);
  ASSERT_TRUE(zone.record().end);
  EXPECT_EQ(zone.record().end->reason, End::Reason::lost);
}

TEST_F(ZoneTest, WhoIsToldToEndItDoesNotWaitForWordsEither) {
  Zone& zone = add(started());
  add_domain();
  look(8);
  EXPECT_FALSE(zone.record().end) << "it runs, and nobody wants it to end";
  ASSERT_TRUE(zone.stop(std::chrono::seconds(0)));
  look(5);  // the first one asks it
  EXPECT_FALSE(zone.record().end);
  look(2);
  ASSERT_TRUE(zone.record().end);
  EXPECT_EQ(zone.record().end->reason, End::Reason::stopped);
}

TEST_F(ZoneTest, WhatIsInTheWayOfARunIsTriedAgainForEver) {
  add_domain();  // of the same zone, and not the record's
  host_.hypervisor.fails_to_destroy = true;
  const Zone& zone = add(record());
  look(8);
  EXPECT_FALSE(zone.record().end);
  host_.hypervisor.fails_to_destroy = false;
  look();
  EXPECT_TRUE(host_.hypervisor.list.empty());
  EXPECT_EQ(zone.state(), control::ZoneState::preparing) << "nothing was given up";
}

// A zone whose container can be heard.
class HeardTest : public ZoneTest {
 protected:
  ~HeardTest() override { ::setrlimit(RLIMIT_FSIZE, &usual_); }

  void hear() {
    const std::string folder = host_.paths.zone(record().id);
    std::filesystem::create_directories(folder);
    ASSERT_TRUE(common::write_file(folder + "/domain", R"({"domain":7,"console_port":1})", 0600));
    for (const auto& [name, value] : {std::pair("ring-ref", "8"), {"port", "9"}, {"state", "3"}}) {
      ASSERT_TRUE(host_.store.client().write(channel_front(kDomain) + "/" + name, value));
    }
    host_.event_device->on_notify = [this](xen::Port /*port*/) { listen(); };
    look();
    host_.watches->dispatch();
    ASSERT_NE(zone_->channel(), nullptr);
  }
  void listen() {
    std::string bytes;
    ring_.read(bytes, xen::kPageBytes);
    channel_.feed(bytes);
    const auto put = ring_.write(channel_.to_send());
    channel_.sent(put.value_or(0));
  }
  // As on a disk that is full: the log does not grow, and the state, for which there is room set aside, is written.
  void fill_log() {
    constexpr std::size_t kFull = std::size_t{3} << 20U;
    std::filesystem::create_directories(host_.paths.zone(record().id));
    ASSERT_TRUE(common::write_file(zone_->log_path(), std::string(kFull, '\n'), 0600));
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &usual_);
    const rlimit small{.rlim_cur = kFull / 2, .rlim_max = usual_.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  }

  channel::zone::ZoneChannel channel_;
  xen::ByteRing ring_ = xen::ByteRing::console_front(host_.grants.page());
  rlimit usual_{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
};

TEST_F(HeardTest, EndsAsItSaidWhateverBecomesOfItsLines) {
  const Zone& zone = add(started());
  add_domain();
  fill_log();
  hear();
  channel_.started(channel::kContainer);
  channel_.output(channel::kContainer, channel::Stream::output, "a line\n");
  channel_.exited(channel::kContainer, {.reason = channel::Exit::Reason::exited, .number = 5});
  listen();
  host_.hypervisor.list.front().shutdown = xen::ShutdownReason::poweroff;
  look(4);
  EXPECT_FALSE(zone.record().end) << "there may be room for its lines the next time";
  look(2);
  ASSERT_TRUE(zone.record().end);
  EXPECT_EQ(*zone.record().end, (End{.reason = End::Reason::exited, .code = 5}));
}

class StartTest : public ZoneTest {
 protected:
  // It obeyed when it was told to stop.
  static model::ZoneRecord ended() {
    model::ZoneRecord made = started();
    made.goal = Goal::stop;
    made.ended_s = 2;
    made.end = End{.reason = End::Reason::stopped, .code = 0};
    made.heard_end = made.end;
    made.failures = 3;
    return made;
  }
  std::string refusal() {
    const auto done = zone_->start();
    return done ? "" : done.error().text();
  }
};

TEST_F(StartTest, AZoneThatHasEndedRunsOnceMore) {
  add_root("no configuration");  // so that the run shows that it began
  Zone& zone = add(ended());
  look();
  EXPECT_EQ(zone.state(), control::ZoneState::ended);
  ASSERT_TRUE(zone.start());
  EXPECT_EQ(zone.state(), control::ZoneState::restarting);
  EXPECT_TRUE(host_.state->zones().value().front().is_to_start) << "and would be if this process ended now";
  EXPECT_EQ(refusal(), "") << "once is enough";
  look();
  EXPECT_EQ(zone.record().run, 2U);
  EXPECT_EQ(zone.record().goal, Goal::run);
  EXPECT_EQ(zone.record().failures, 1U) << "of this run alone";
  ASSERT_TRUE(zone.record().end);
  EXPECT_EQ(zone.record().end->reason, End::Reason::not_started);
  look();
  EXPECT_EQ(zone.record().run, 2U) << "it was started once";
}

TEST_F(StartTest, WhoWaitsForItsEndIsToldFirst) {
  model::ZoneRecord made = ended();
  made.goal = Goal::run;
  made.heard_end.reset();
  Zone& zone = add(made);
  add_domain(xen::ShutdownReason::crash);
  host_.hypervisor.fails_to_destroy = true;
  look();
  EXPECT_EQ(refusal(), "zone web has yet to end; krata zone show web says when it has");
  host_.hypervisor.fails_to_destroy = false;
  look();
  EXPECT_EQ(zone.state(), control::ZoneState::ended);
  EXPECT_EQ(refusal(), "");
}

TEST_F(StartTest, WaitsUntilNothingIsLeftOfTheFormerRun) {
  Zone& zone = add(ended());
  add_domain(xen::ShutdownReason::poweroff);
  host_.hypervisor.fails_to_destroy = true;
  ASSERT_TRUE(zone.start());
  look(3);
  EXPECT_EQ(zone.record().run, 1U);
  host_.hypervisor.fails_to_destroy = false;
  look();
  EXPECT_EQ(zone.record().run, 2U);
}

TEST_F(StartTest, WhoChangesHisMindHasItStopped) {
  Zone& zone = add(ended());
  ASSERT_TRUE(zone.start());
  ASSERT_TRUE(zone.stop(std::chrono::seconds(0)));
  look();
  EXPECT_EQ(zone.record(), [] {
    auto record = ended();
    record.failures = 0;
    return record;
  }());
}

TEST_F(StartTest, AHeldZoneToo) {
  model::ZoneRecord held = ended();
  held.goal = Goal::run;
  Zone& zone = add(held);
  zone.hold(std::chrono::seconds(0));
  look();
  EXPECT_EQ(zone.record().run, 1U);
  ASSERT_TRUE(zone.start());
  look();
  EXPECT_EQ(zone.record().run, 2U);
}

TEST_F(StartTest, DisksAreItsOwnWhileAnythingOfItIsThere) {
  Zone& zone = add(ended());
  add_domain(xen::ShutdownReason::poweroff);
  host_.hypervisor.fails_to_destroy = true;
  look();
  EXPECT_TRUE(zone.has_disks()) << "its domain, and with it who serves them";
  host_.hypervisor.fails_to_destroy = false;
  look();
  EXPECT_FALSE(zone.has_disks());
  ASSERT_TRUE(zone.start());
  EXPECT_TRUE(zone.has_disks());
}

TEST_F(StartTest, NorAreTheyOthersWhereItMayRunAgainByItself) {
  model::ZoneRecord made = ended();
  made.goal = Goal::run;
  made.end = End{.reason = End::Reason::exited, .code = 0};
  EXPECT_FALSE(add(made).has_disks()) << "it did not fail";
  zone_.reset();
  ASSERT_TRUE(host_.state->remove(made.id));
  made.spec.restart = model::Restart::on_failure;
  made.end->code = 1;
  Zone& zone = add(made);
  EXPECT_TRUE(zone.has_disks());
  zone.hold(std::chrono::seconds(0));
  EXPECT_TRUE(zone.has_disks()) << "the next kratad starts it";
  ASSERT_TRUE(zone.stop(std::chrono::seconds(0)));
  EXPECT_FALSE(zone.has_disks());
}

TEST_F(StartTest, SaysWhyItCannotBeStarted) {
  Zone& zone = add(started());
  add_domain();
  EXPECT_EQ(refusal(), "zone web is being started already") << "nobody has heard of its container";
  ASSERT_TRUE(zone.stop(std::chrono::seconds(60)));
  EXPECT_EQ(refusal(), "zone web has yet to end; krata zone show web says when it has");
  ASSERT_TRUE(zone.forget());
  EXPECT_EQ(refusal(), "zone web is being destroyed; launch another one");
}

}  // namespace
}  // namespace krata::daemon
