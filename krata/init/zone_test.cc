// The zone's first process as an ordinary one: real processes, pipes and terminals, and the host's end of the channel.
#include "krata/init/zone.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <functional>
#include <set>

#include "krata/channel/channel.h"

namespace krata::init {
namespace {

using channel::Channel;
using channel::Exit;
using channel::kContainer;
using channel::SessionId;

// All children of a process, and theirs.
void kill_descendants(pid_t parent) {
  const std::string name = std::to_string(parent);
  std::ifstream children("/proc/" + name + "/task/" + name + "/children");
  for (pid_t child = 0; children >> child;) {
    kill_descendants(child);
    ::kill(child, SIGKILL);
  }
}

// Kills nobody but the descendants of this process, of which there are those of the container only.
class FakeMachine : public Machine {
 public:
  void kill_everyone() override { kill_descendants(::getpid()); }
  // One more whenever it is looked at: any process may have been killed for want of memory.
  [[nodiscard]] std::uint64_t out_of_memory_kills() const override { return ++looks_; }
  [[nodiscard]] int cpu_events() const override { return -1; }
  void use_new_cpus() override {}
  void power_off() override {}

 private:
  mutable std::uint64_t looks_ = 0;
};

bundle::Bundle bundle_of(const std::string& script, bool terminal = false) {
  bundle::Bundle bundle;
  bundle.hostname = "unit";
  bundle.process = {
      .arguments = {"sh", "-c", script}, .environment = {"PATH=/bin:/usr/bin", "A=b c"}, .terminal = terminal};
  return bundle;
}

// A zone in a process of its own, and the host's end in this one.
class ZoneTest : public testing::Test {
 protected:
  void begin(const bundle::Bundle& bundle) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    link_.reset(ends[0]);
    zone_ = ::fork();
    if (zone_ == 0) {
      ::close(link_.release());
      ::prctl(PR_SET_CHILD_SUBREAPER, 1);
      ::alarm(60);
      FakeMachine machine;
      const auto zone = Zone::create(common::Fd(ends[1]), machine);
      const bool done = zone && (*zone)->run(bundle);
      ::_exit(done ? 0 : 1);
    }
    ::close(ends[1]);
  }

  ~ZoneTest() override {
    link_.reset();
    if (zone_ > 0) {
      kill_descendants(zone_);
      ::kill(zone_, SIGKILL);
      ::waitpid(zone_, nullptr, 0);
    }
  }

  // Carries bytes both ways until `done` holds, at most a minute.
  void until(const std::function<bool()>& done) {
    while (!done()) {
      while (!host_.to_send().empty()) {
        const ssize_t wrote = ::send(link_.get(), host_.to_send().data(), host_.to_send().size(), MSG_NOSIGNAL);
        if (wrote <= 0) {
          break;
        }
        host_.sent(static_cast<std::size_t>(wrote));
      }
      const auto wanted = static_cast<short>(host_.to_send().empty() ? POLLIN : POLLIN | POLLOUT);
      pollfd wait{.fd = link_.get(), .events = wanted, .revents = 0};
      ASSERT_EQ(::poll(&wait, 1, 60'000), 1) << "nothing came; output so far: " << text_[kContainer];
      std::array<char, 65536> bytes{};
      const ssize_t got = ::read(link_.get(), bytes.data(), bytes.size());
      if (got == 0) {
        FAIL() << "the zone is gone";
      }
      host_.feed(std::string_view(bytes.data(), got > 0 ? static_cast<std::size_t>(got) : 0));
      while (auto event = host_.next_event()) {
        note(*event);
      }
    }
  }

  void note(const channel::Event& event) {
    if (const auto* output = std::get_if<channel::Output>(&event)) {
      (output->stream == channel::Stream::output ? text_ : errors_)[output->session] += output->bytes;
      if (taking_) {
        host_.output_taken(output->session, output->bytes.size());
      }
    } else if (const auto* exited = std::get_if<channel::Exited>(&event)) {
      exits_[exited->session] = exited->exit;
    } else if (const auto* refused = std::get_if<channel::Refused>(&event)) {
      refusals_[refused->session] = refused->why;
    } else if (const auto* started = std::get_if<channel::Started>(&event)) {
      started_.insert(started->session);
    } else if (const auto* greeted = std::get_if<channel::Greeted>(&event)) {
      if (greeted->state == channel::State::running) {
        started_.insert(kContainer);
      }
    } else if (const auto* fault = std::get_if<channel::Fault>(&event)) {
      ADD_FAILURE() << fault->what;
    }
  }

  void until_exit(SessionId session) {
    until([&] { return exits_.contains(session) || refusals_.contains(session); });
  }
  void until_text(SessionId session, const std::string& text) {
    until([&] { return text_[session].find(text) != std::string::npos || exits_.contains(session); });
  }
  SessionId start(bundle::Process process) {
    process.environment = {"PATH=/bin:/usr/bin"};
    until([&] { return started_.contains(kContainer); });
    const auto session = host_.start(process);
    EXPECT_TRUE(session) << session.error().text();
    return session.value_or(999);
  }

  pid_t zone_ = 0;
  common::Fd link_;
  Channel host_;
  bool taking_ = true;
  std::set<SessionId> started_;
  std::map<SessionId, std::string> text_;
  std::map<SessionId, std::string> errors_;
  std::map<SessionId, Exit> exits_;
  std::map<SessionId, std::string> refusals_;
};

TEST_F(ZoneTest, RunsTheContainerAndTellsItsEnd) {
  begin(bundle_of("echo out; echo err >&2; echo \"$A $HOSTNAME\"; exit 7"));
  until_exit(kContainer);
  EXPECT_EQ(text_[kContainer], "out\nb c unit\n");
  EXPECT_EQ(errors_[kContainer], "err\n");
  EXPECT_EQ(exits_[kContainer], (Exit{Exit::Reason::exited, 7}));
  host_.exit_taken();
  until([this] {
    int status = -1;
    if (::waitpid(zone_, &status, WNOHANG) != zone_) {
      std::array<char, 64> bytes{};
      pollfd wait{.fd = link_.get(), .events = POLLIN, .revents = 0};
      (void)!::write(link_.get(), host_.to_send().data(), host_.to_send().size());
      host_.sent(host_.to_send().size());
      ::poll(&wait, 1, 60'000);
      (void)!::read(link_.get(), bytes.data(), bytes.size());
      ::waitpid(zone_, &status, 0);
    }
    zone_ = 0;
    EXPECT_EQ(status, 0);
    return true;
  });
}

TEST_F(ZoneTest, SaysWhatCannotBeRun) {
  auto bundle = bundle_of("");
  bundle.process.arguments = {"no-such-program"};
  begin(bundle);
  until_exit(kContainer);
  EXPECT_EQ(refusals_[kContainer], "run 'no-such-program' (No such file or directory)");
}

TEST_F(ZoneTest, LosesNothingOfMuchOutput) {
  begin(bundle_of("seq 1 200000"));
  until_exit(kContainer);
  std::string expected;
  for (int i = 1; i <= 200'000; ++i) {
    expected += std::to_string(i) + "\n";
  }
  EXPECT_TRUE(text_[kContainer] == expected) << text_[kContainer].size() << " of " << expected.size();
}

TEST_F(ZoneTest, PassesSignalsOn) {
  auto bundle = bundle_of("trap 'echo usr1; exit 9' USR1; echo ready; while :; do sleep 0.05; done");
  bundle.stop_signal = SIGUSR1;
  begin(bundle);
  until_text(kContainer, "ready");
  host_.stop();
  until_exit(kContainer);
  EXPECT_EQ(text_[kContainer], "ready\nusr1\n");
  EXPECT_EQ(exits_[kContainer], (Exit{Exit::Reason::exited, 9}));
}

TEST_F(ZoneTest, TellsWhichSignalEndedAProcess) {
  begin(bundle_of("echo ready; sleep 100"));
  until_text(kContainer, "ready");
  host_.signal(kContainer, SIGKILL);
  until_exit(kContainer);
  EXPECT_EQ(exits_[kContainer], (Exit{Exit::Reason::signalled, SIGKILL}));
}

TEST_F(ZoneTest, TellsWhoWasKilledForWantOfMemory) {
  begin(bundle_of("kill -KILL $$"));
  until_exit(kContainer);
  EXPECT_EQ(exits_[kContainer], (Exit{Exit::Reason::out_of_memory, SIGKILL}));
}

TEST_F(ZoneTest, RunsProcessesBesideTheContainer) {
  begin(bundle_of("sleep 100"));
  const auto cat = start({.arguments = {"cat"}});
  const auto failing = start({.arguments = {"sh", "-c", "exit 3"}});
  const auto missing = start({.arguments = {"/no/such"}});
  const auto nobody = start({.arguments = {"true"}, .user = "no-such-user"});
  const std::string much(300'000, 'x');
  std::size_t given = 0;
  until([&] {
    given += host_.input(cat, std::string_view(much).substr(given));
    return given == much.size();
  });
  host_.end_input(cat);
  until_exit(cat);
  until_exit(failing);
  until_exit(missing);
  until_exit(nobody);
  EXPECT_TRUE(text_[cat] == much);
  EXPECT_EQ(exits_[cat], Exit());
  EXPECT_EQ(exits_[failing].number, 3U);
  EXPECT_EQ(refusals_[missing], "run '/no/such' (No such file or directory)");
  EXPECT_EQ(refusals_[nobody], "the image has no user 'no-such-user' in /etc/passwd");
}

TEST_F(ZoneTest, GivesTerminals) {
  begin(bundle_of("sleep 100"));
  const auto session =
      start({.arguments = {"sh", "-c", "tty && stty size && read line && echo \"got $line\" && stty size"},
             .terminal = true,
             .size = {.rows = 12, .columns = 34}});
  until_text(session, "12 34\r\n");
  host_.resize(session, {.rows = 56, .columns = 78});
  host_.input(session, "hello\r");
  until_exit(session);
  EXPECT_NE(text_[session].find("/dev/pts/"), std::string::npos) << text_[session];
  EXPECT_NE(text_[session].find("got hello\r\n56 78\r\n"), std::string::npos) << text_[session];
  EXPECT_EQ(exits_[session], Exit());
}

TEST_F(ZoneTest, EndsInputOfATerminal) {
  begin(bundle_of("cat; echo over", true));
  until([this] { return started_.contains(kContainer); });
  host_.input(kContainer, "abc\r");
  until_text(kContainer, "abc\r\nabc\r\n");
  host_.end_input(kContainer);
  until_exit(kContainer);
  EXPECT_NE(text_[kContainer].find("over\r\n"), std::string::npos);
}

TEST_F(ZoneTest, DoesNotWaitForWhoHoldsTheOutputOpen) {
  begin(bundle_of("sleep 100"));
  const auto session = start({.arguments = {"sh", "-c", "sleep 50 & echo started"}});
  until_exit(session);
  EXPECT_EQ(text_[session], "started\n");
}

// A reader that takes nothing holds up its own session alone.
TEST_F(ZoneTest, KeepsSessionsApart) {
  begin(bundle_of("sleep 100"));
  taking_ = false;
  const auto flood = start({.arguments = {"yes"}});
  until([&] { return text_[flood].size() == channel::kWindowBytes; });
  const auto other = start({.arguments = {"echo", "still here"}});
  until_exit(other);
  EXPECT_EQ(text_[other], "still here\n");
  host_.signal(flood, SIGTERM);
  host_.output_taken(flood, text_[flood].size());
  taking_ = true;
  until_exit(flood);
  EXPECT_EQ(exits_[flood], (Exit{Exit::Reason::signalled, SIGTERM}));
}

TEST_F(ZoneTest, ReapsOrphans) {
  begin(bundle_of("(sh -c 'sleep 0.01 & exec sleep 0.01' &) ; sleep 100"));
  // The zone's children: this shell and the container are there, what has ended is not.
  const auto session = start({.arguments = {"sh", "-c",
                                            "for i in $(seq 200); do set -- $(cat /proc/$PPID/task/$PPID/children); "
                                            "[ $# -gt 2 ] || break; sleep 0.05; done; echo $#"}});
  until_exit(session);
  EXPECT_EQ(text_[session], "2\n");
}

TEST_F(ZoneTest, GoesOnWithAnotherHost) {
  begin(bundle_of("echo before; read line; echo \"after $line\"; exit 4"));
  until_text(kContainer, "before");
  const auto session = start({.arguments = {"sleep", "100"}});
  until([&] { return started_.contains(session); });
  const std::uint64_t taken = host_.container_output_taken();
  EXPECT_EQ(taken, 7U);
  host_ = Channel(taken, 1);
  started_.clear();
  text_.clear();
  bool greeted = false;
  until([&] {
    greeted = greeted || host_.input(kContainer, "x\n") > 0;
    return greeted;
  });
  until_exit(kContainer);
  EXPECT_EQ(text_[kContainer], "after x\n");
  EXPECT_EQ(exits_[kContainer], (Exit{Exit::Reason::exited, 4}));
}

}  // namespace
}  // namespace krata::init
