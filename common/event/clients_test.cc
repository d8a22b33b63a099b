// What clients of other users may do to the control socket's server. Needs root, to connect as somebody else.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "common/event/peer_credentials.h"
#include "common/event/stream_server.h"
#include "common/event/unix_socket.h"
#include "common/test_folder.h"

namespace common {
namespace {

// Numbers that no account of a Debian system has.
constexpr uid_t kSomebody = 61001;
constexpr uid_t kSomebodyElse = 61002;
constexpr uid_t kAgentUser = 61003;
constexpr gid_t kNoGroup = 61010;
constexpr gid_t kOtherGroup = 61011;
constexpr gid_t kKraitGroup = 61012;
constexpr std::size_t kBigBytes = std::size_t{4} << 20U;

struct Who {
  uid_t user = kSomebody;
  gid_t group = kNoGroup;
  std::vector<gid_t> groups;
};

// "who\n" says whether the client may change something; "big\n" is long; other lines come back.
std::optional<Answer> answer(std::string_view input, const Client& client) {
  const auto end = input.find('\n');
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  std::string line(input.substr(0, end));
  if (line == "who") {
    line = client.may_change ? "may change" : "may look";
  } else if (line == "big") {
    line.assign(kBigBytes, 'x');
  }
  return Answer{line + "\n", end + 1, false};
}

class ClientsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "skipped: needs root";
    }
    ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
    auto socket = ControlSocket::listen(path(), "a hint");
    ASSERT_TRUE(socket) << socket.error().text();
    socket_ = std::make_unique<ControlSocket>(std::move(*socket));
    loop_ = std::move(*Loop::create());
  }
  void TearDown() override {
    if (thread_.joinable()) {
      const std::uint64_t one = 1;
      ASSERT_EQ(::write(stop_.get(), &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
      thread_.join();
    }
    server_.reset();
    socket_.reset();
  }
  void serve(const StreamLimits& limits = {}, std::optional<gid_t> group = kKraitGroup) {
    server_ = std::move(
        *StreamServer::serve(*loop_, socket_->take(), answer, {.own_user = kAgentUser, .group = group}, limits));
    stop_.reset(::eventfd(0, EFD_CLOEXEC));
    ASSERT_TRUE(loop_->add(stop_.get(), EPOLLIN, [this](std::uint32_t) { loop_->stop(); }));
    thread_ = std::thread([this] { EXPECT_TRUE(loop_->run()); });
  }
  [[nodiscard]] std::string path() const { return directory_.at("test.sock"); }

  // The kernel keeps credentials by thread (the C library's setuid() changes all threads of a process, the system call
  // does not), and a socket remembers those of the thread that connected it.
  [[nodiscard]] Fd connect(const Who& who = {}) const {
    Fd connected;
    std::thread([&] {
      EXPECT_EQ(::syscall(SYS_setgroups, who.groups.size(), who.groups.data()), 0);
      EXPECT_EQ(::syscall(SYS_setresgid, who.group, who.group, who.group), 0);
      EXPECT_EQ(::syscall(SYS_setresuid, who.user, who.user, who.user), 0);
      auto fd = connect_unix(path());
      ASSERT_TRUE(fd) << fd.error().text();
      connected = std::move(*fd);
    }).join();
    ::prctl(PR_SET_DUMPABLE, 1);                      // as it was before the change of user; the leak checker needs it
    const timeval limit{.tv_sec = 20, .tv_usec = 0};  // a hang is a failure, not a wait for ever
    ::setsockopt(connected.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return connected;
  }

  common::TestFolder directory_;
  std::unique_ptr<ControlSocket> socket_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<StreamServer> server_;
  Fd stop_;
  std::thread thread_;
};

void say(const Fd& fd, std::string_view text) {
  ASSERT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

// A line without its newline, or "" when the connection ended before.
std::string hear(const Fd& fd) {
  std::string line;
  for (char byte = 0;;) {
    const ssize_t got = ::recv(fd.get(), &byte, 1, 0);
    if (got != 1) {
      EXPECT_TRUE(got == 0 || errno == ECONNRESET || errno == EPIPE) << "neither an answer nor the end came";
      return "";
    }
    if (byte == '\n') {
      return line;
    }
    line += byte;
  }
}

// How many bytes come before the end or, at most, `most`.
std::size_t drain(const Fd& fd, std::size_t most) {
  std::vector<char> chunk(std::size_t{1} << 16U);
  std::size_t bytes = 0;
  while (bytes < most) {
    const ssize_t got = ::recv(fd.get(), chunk.data(), std::min(chunk.size(), most - bytes), 0);
    if (got <= 0) {
      break;
    }
    bytes += static_cast<std::size_t>(got);
  }
  return bytes;
}

std::string asked(const Fd& fd, std::string_view line) {
  say(fd, std::string(line) + "\n");
  return hear(fd);
}

TEST_F(ClientsTest, RootTheAgentsUserAndTheGroupMayChange) {
  serve();
  EXPECT_EQ(asked(connect({.user = 0, .group = 0, .groups = {}}), "who"), "may change");
  EXPECT_EQ(asked(connect({.user = kAgentUser, .group = kNoGroup, .groups = {}}), "who"), "may change");
  EXPECT_EQ(asked(connect({.user = kSomebody, .group = kKraitGroup, .groups = {}}), "who"), "may change");
  EXPECT_EQ(asked(connect({.user = kSomebody, .group = kNoGroup, .groups = {kOtherGroup, kKraitGroup}}), "who"),
            "may change");
}

TEST_F(ClientsTest, OthersMayLook) {
  serve();
  EXPECT_EQ(asked(connect(), "who"), "may look");
  EXPECT_EQ(asked(connect({.user = kSomebody, .group = 0, .groups = {0, kOtherGroup}}), "who"), "may look")
      << "the group root gives no right";
}

TEST_F(ClientsTest, FindsTheGroupBehindManyOthers) {
  serve();
  std::vector<gid_t> many(1000, kOtherGroup);
  EXPECT_EQ(asked(connect({.user = kSomebody, .group = kNoGroup, .groups = many}), "who"), "may look");
  many.push_back(kKraitGroup);
  EXPECT_EQ(asked(connect({.user = kSomebody, .group = kNoGroup, .groups = many}), "who"), "may change");
}

TEST_F(ClientsTest, WithoutTheGroupOnlyRootAndTheAgentsUserMayChange) {
  serve({}, std::nullopt);
  EXPECT_EQ(asked(connect({.user = kSomebody, .group = kKraitGroup, .groups = {}}), "who"), "may look");
  EXPECT_EQ(asked(connect({.user = 0, .group = 0, .groups = {}}), "who"), "may change");
}

TEST_F(ClientsTest, OneUserCannotTakeAllPlaces) {
  serve({.clients = 6, .clients_of_user = 3});
  const Fd other = connect({.user = kSomebodyElse, .group = kNoGroup, .groups = {}});
  EXPECT_EQ(asked(other, "here"), "here");
  std::vector<Fd> many;
  for (int i = 0; i < 20; ++i) {
    many.push_back(connect());
    EXPECT_EQ(asked(many.back(), "here"), "here");
  }
  EXPECT_EQ(hear(many[16]), "") << "the user's oldest had to go";
  EXPECT_EQ(asked(many[17], "still"), "still");
  EXPECT_EQ(asked(other, "still"), "still") << "the other user's stayed";
}

TEST_F(ClientsTest, ThoseWhoMayChangeNeverGiveWayToOthers) {
  serve({.clients = 3, .clients_of_user = 2});
  const Fd root = connect({.user = 0, .group = 0, .groups = {}});
  const Fd member = connect({.user = kSomebody, .group = kKraitGroup, .groups = {}});
  EXPECT_EQ(asked(root, "here"), "here");
  EXPECT_EQ(asked(member, "here"), "here");
  for (uid_t user = kSomebody; user < kSomebody + 5; ++user) {
    asked(connect({.user = user + 100, .group = kNoGroup, .groups = {}}), "here");
  }
  EXPECT_EQ(asked(root, "still"), "still");
  EXPECT_EQ(asked(member, "still"), "still");
}

TEST_F(ClientsTest, CutsOffWhoIsIdle) {
  serve({.idle_ms = 500});
  const Fd silent = connect();
  const Fd half = connect();
  say(half, "without an en");
  const Fd deaf = connect();
  say(deaf, "big\n");
  EXPECT_EQ(hear(silent), "");
  EXPECT_EQ(hear(half), "");
  pollfd ended{.fd = deaf.get(), .events = POLLRDHUP, .revents = 0};
  EXPECT_EQ(::poll(&ended, 1, 20'000), 1);
  EXPECT_LT(drain(deaf, kBigBytes), kBigBytes) << "what did not fit into the socket's buffer was let go";
}

TEST_F(ClientsTest, UnreadAnswersDoNotPileUp) {
  serve({.clients = 8, .clients_of_user = 5, .waiting_bytes = kBigBytes * 3 / 2});
  const Fd other = connect({.user = kSomebodyElse, .group = kNoGroup, .groups = {}});
  say(other, "big\n");
  std::vector<Fd> deaf;
  for (int i = 0; i < 4; ++i) {
    deaf.push_back(connect());
    say(deaf.back(), "big\n");
    std::array<char, 1> first{};
    ASSERT_EQ(::recv(deaf.back().get(), first.data(), first.size(), 0), 1);  // the answer is on its way
  }
  EXPECT_LT(drain(deaf[0], kBigBytes), kBigBytes - 1) << "the oldest went first";
  EXPECT_EQ(drain(deaf[3], kBigBytes), kBigBytes) << "the newest stays";
  EXPECT_EQ(drain(other, kBigBytes + 1), kBigBytes + 1) << "the user who piles up answers pays for it";
}

TEST_F(ClientsTest, ManyRequestsAtOnceDoNotHoldUpOthers) {
  constexpr int kMany = 20;  // few enough that their answers wait in a socket which nobody reads
  std::vector<std::string> answered;
  const auto note = [&](std::string_view input, const Client&) -> std::optional<Answer> {
    const auto end = input.find('\n');
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    answered.emplace_back(input.substr(0, end));
    if (answered.size() == kMany + 1) {
      loop_->stop();
    }
    return Answer{"\n", end + 1, false};
  };
  server_ = std::move(*StreamServer::serve(*loop_, socket_->take(), note));
  const Fd busy = connect();
  std::string many;
  for (int i = 0; i < kMany; ++i) {
    many += "many\n";
  }
  say(busy, many);
  const Fd other = connect({.user = kSomebodyElse, .group = kNoGroup, .groups = {}});
  say(other, "quick\n");
  ASSERT_TRUE(loop_->run());
  const auto quick = std::ranges::find(answered, "quick");
  EXPECT_LE(quick - answered.begin(), 2);
}

TEST(Rights, FindsGroupsByName) {
  const auto root = Rights::look_up("root");
  ASSERT_TRUE(root) << root.error().text();
  EXPECT_EQ(root->group, gid_t{0});
  EXPECT_EQ(root->own_user, ::geteuid());
  const auto none = Rights::look_up("no-such-group-of-krait");
  ASSERT_TRUE(none);
  EXPECT_EQ(none->group, std::nullopt);
}

TEST(Rights, RefusalsNameTheMend) {
  EXPECT_NE(refusal({.own_user = 1, .group = kKraitGroup}, "krait").find("usermod -aG krait"), std::string::npos);
  EXPECT_EQ(refusal({.own_user = 1, .group = std::nullopt}, "krait").find("group"), std::string::npos)
      << "a group that is not there is no hint";
}

}  // namespace
}  // namespace common
