// What clients may ask, and how many of them may stay.
#include "krata/daemon/service.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "common/file.h"
#include "krata/daemon/host_fixture.h"

namespace krata::daemon {
namespace {

constexpr uid_t kUser = 1000;

class ServiceTest : public testing::Test {
 protected:
  using End = common::Fd;  // the client's, of a connection that lasts

  // What the daemon says.
  control::Json ask(const std::string& line, bool may_change = true) {
    const auto answer = service_->on_control(line + "\n", {.user = kUser, .may_change = may_change});
    return answer ? common::parse_json(answer->bytes) : control::Json();
  }
  End watch(uid_t user, bool may_change = false) {
    return talk(R"({"request":"watch"})", {.user = user, .may_change = may_change});
  }
  End talk(const std::string& line, const common::Client& client) {
    const auto answer = service_->on_control(line + "\n", client);
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    EXPECT_TRUE(answer && answer->take_over);
    answer->take_over(common::Fd(ends[0]), "");
    return common::Fd(ends[1]);
  }
  static bool is_open(const End& end) {
    char byte = 0;
    return ::recv(end.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
  }

  TestHost host_;
  common::Rights rights_;
  std::unique_ptr<Daemon> daemon_ = Daemon::start(host_).value();
  std::unique_ptr<Service> service_ = Service::create(*daemon_, rights_).value();
};

TEST_F(ServiceTest, AZoneIsStartedByThoseWhoMayChangeSomething) {
  const std::string start = R"({"request":"start","zone":"web"})";
  EXPECT_EQ(ask(start, false)["code"], "permission");
  EXPECT_EQ(ask(start)["error"], "no zone is called web; see krata zone list");
  const std::string disk = host_.folder.at("disk");
  ASSERT_TRUE(common::write_file(disk, "", 0600));
  const auto launch = [&](const std::string& name) {
    return ask(R"({"request":"launch","spec":{"name":")" + name + R"(","image":"localhost/app:1","disks":[{"file":")" +
               disk + R"(","mount":"/data"}]}})");
  };
  ASSERT_EQ(launch("web")["zone"]["name"], "web");
  EXPECT_EQ(ask(start)["error"], "zone web is being started already");
  const auto state = [&] { return ask(R"({"request":"zone","zone":"web"})")["zone"]["state"]; };
  host_.run_until([&] { return state() == "ended"; });  // there is no program that would make its file system
  EXPECT_EQ(ask(start)["zone"]["state"], "restarting");
  host_.run_until([&] { return state() == "ended"; });
  EXPECT_EQ(ask(R"({"request":"zone","zone":"web"})")["zone"]["run"], 2);
  ASSERT_EQ(launch("db")["zone"]["name"], "db");
  const auto refused = ask(start);
  EXPECT_NE(refused.value("error", "").find("disk is the zone db's"), std::string::npos) << refused;
}

TEST_F(ServiceTest, WhoAttachesToAZoneThatIsStartedWaitsForItsNextRun) {
  ASSERT_EQ(ask(R"({"request":"launch","spec":{"name":"web","image":"localhost/app:1"}})")["zone"]["name"], "web");
  const auto zone = [&] { return ask(R"({"request":"zone","zone":"web"})")["zone"]; };
  host_.run_until([&] { return zone()["state"] == "ended"; });
  ASSERT_EQ(ask(R"({"request":"start","zone":"web"})")["zone"]["run"], 1) << "the former run is still the last one";
  const End attached = talk(R"({"request":"attach","zone":"web"})", {.user = kUser, .may_change = true});
  EXPECT_TRUE(is_open(attached)) << "and nothing was said";
  host_.run_until([&] { return !is_open(attached); });
  EXPECT_EQ(zone()["run"], 2);
}

TEST_F(ServiceTest, AUsersOldestConnectionGivesWay) {
  const End member = watch(kUser, true);
  const End other = watch(kUser + 1);
  std::vector<End> ends;
  for (std::ptrdiff_t i = 0; i < kMaxTalksOfUser; ++i) {
    ends.push_back(watch(kUser));
  }
  EXPECT_TRUE(is_open(ends.front()));
  ends.push_back(watch(kUser));
  EXPECT_FALSE(is_open(ends.front()));
  EXPECT_TRUE(is_open(ends[1]));
  EXPECT_TRUE(is_open(ends.back()));
  EXPECT_TRUE(is_open(other)) << "another user's, and older";
  EXPECT_TRUE(is_open(member)) << "who may change something has as many as there may be";
}

TEST_F(ServiceTest, TheOldestOfThoseWhoMayChangeNothingGivesWay) {
  const End member = watch(kUser, true);
  std::vector<End> ends;
  for (std::ptrdiff_t i = 0; i < kMaxTalksOfOthers; ++i) {
    ends.push_back(watch(kUser + 1 + static_cast<uid_t>(i / kMaxTalksOfUser)));
  }
  EXPECT_TRUE(is_open(ends.front()));
  const End last = watch(kUser);
  EXPECT_FALSE(is_open(ends.front()));
  EXPECT_TRUE(is_open(ends[1]));
  EXPECT_TRUE(is_open(last));
  EXPECT_TRUE(is_open(member));
  std::vector<End> members;
  for (std::ptrdiff_t i = 0; i < kMaxTalksOfUser + kMaxTalksOfOthers; ++i) {
    members.push_back(watch(kUser, true));
  }
  EXPECT_TRUE(is_open(ends[1])) << "who may change something takes nobody's place";
}

}  // namespace
}  // namespace krata::daemon
