#include "krait/wire/connection.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <vector>

#include "common/event/timer.h"
#include "krait/wire/dial.h"
#include "krait/wire/listener.h"

namespace krait::wire {
namespace {

using common::Fd;
using common::Loop;

constexpr FrameLimits kLimits{.incoming_bytes = 1U << 20U, .queued_bytes = 4U << 20U};

struct End final : ConnectionUser {
  void on_open() override { ++opened; }
  void on_frame(std::string_view bytes) override {
    frames.emplace_back(bytes);
    if (echo) {
      connection->send(bytes);
    } else if (!answer.empty()) {
      connection->send(answer);
    }
    loop->stop();
  }
  void on_drained() override { ++drained; }
  void on_closed(const std::string& why) override {
    closed = why.empty() ? "finished" : why;
    loop->stop();
  }

  Loop* loop = nullptr;
  std::unique_ptr<Connection> connection;
  std::vector<std::string> frames;
  std::string closed;
  std::string answer;  // to each frame
  int opened = 0;
  int drained = 0;
  bool echo = false;
};

class Connections : public ::testing::Test {
 protected:
  void SetUp() override {
    server_key = *make_key_pair();
    client_key = *make_key_pair();
    server_tls = *Tls::create(Side::server, server_key);
    client_tls = *Tls::create(Side::client, client_key);
    loop = *Loop::create();
    server.loop = loop.get();
    client.loop = loop.get();
    Fd fd = *listen_on(*common::Ip::parse("127.0.0.1"), 0);
    where = *own_endpoint(fd.get());
    listener = *Listener::start(*loop, std::move(fd), server_tls.get(), {.frames = kLimits, .shaking_hands = 4},
                                [this](std::unique_ptr<Connection> taken) {
                                  taken->set_user(server);
                                  server.connection = std::move(taken);
                                  ++accepted;
                                });
    limit = *common::Timer::create(*loop, [this] {
      timed_out = true;
      loop->stop();
    });
  }

  void call() {
    client.connection = *Connection::start(*loop, *dial(where), client_tls.get(), kLimits);
    client.connection->set_user(client);
  }

  // Until `done`, or ten seconds are over.
  template <typename Done>
  bool run_until(const Done& done) {
    limit.after(std::chrono::seconds(10));
    while (!done() && !timed_out) {
      step();
    }
    return done();
  }
  void step() {
    auto once = *common::Timer::create(*loop, [this] { loop->stop(); });
    once.after(std::chrono::milliseconds(1));
    ASSERT_TRUE(run_loop());
  }
  bool run_loop() { return loop->run().has_value(); }

  KeyPair server_key, client_key;
  std::unique_ptr<Tls> server_tls, client_tls;
  std::unique_ptr<Loop> loop;
  std::unique_ptr<Listener> listener;
  common::Timer limit;
  common::Endpoint where;
  End server, client;
  int accepted = 0;
  bool timed_out = false;
};

TEST(Dial, WhoComesByIpv4IsKnownByIpv4) {
  const Fd listening = *listen_on(*common::Ip::parse("::"), 0);
  const auto port = own_endpoint(listening.get())->port;
  const Fd client = *dial({*common::Ip::parse("127.0.0.1"), port});
  pollfd waiting{.fd = listening.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&waiting, 1, 10'000), 1);
  const Fd accepted(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_EQ(peer_endpoint(accepted.get())->ip.text(), "127.0.0.1");
}

TEST_F(Connections, KnowEachOtherByTheirKeys) {
  call();
  ASSERT_TRUE(run_until([&] { return client.opened == 1 && accepted == 1; }));
  EXPECT_EQ(client.connection->peer(), server_key.hash);
  EXPECT_EQ(server.connection->peer(), client_key.hash);
}

TEST_F(Connections, CarryFramesOfEverySize) {
  call();
  server.echo = true;
  std::vector<std::string> sent;
  for (const std::size_t size : {0U, 1U, 4U, 16383U, 16384U, 70000U, 1U << 20U}) {
    sent.push_back(std::string(size, static_cast<char>('a' + size % 26)));
    client.connection->send(sent.back());
  }
  ASSERT_TRUE(run_until([&] { return client.frames.size() == sent.size(); })) << client.closed << server.closed;
  EXPECT_EQ(client.frames, sent);
  EXPECT_EQ(client.connection->queued_bytes(), 0U);
}

// Writing to who has gone by a reset is an error of that connection, not the process's end by SIGPIPE.
TEST_F(Connections, OutliveTheOneThatIsReset) {
  call();
  ASSERT_TRUE(run_until([&] { return accepted == 1; }));
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(::setsockopt(client.connection->fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
  const Fd other_end(::dup(server.connection->fd()));
  client.connection.reset();
  EXPECT_LT(::send(other_end.get(), "x", 1, MSG_NOSIGNAL), 0);  // takes the reset: the next one is told by a signal
  server.connection->send("is anybody there?");
  ASSERT_TRUE(run_until([&] { return !server.closed.empty(); }));
}

TEST_F(Connections, SendOneFrameToSeveral) {
  call();
  ASSERT_TRUE(run_until([&] { return accepted == 1; }));
  const Frame frame = make_frame("the same for all");
  server.connection->send(frame);
  server.connection->send(frame);
  ASSERT_TRUE(run_until([&] { return client.frames.size() == 2; }));
  EXPECT_EQ(client.frames, (std::vector<std::string>{"the same for all", "the same for all"}));
  ASSERT_TRUE(run_until([&] { return frame.use_count() == 1; }));  // nothing keeps it once it has left
}

TEST_F(Connections, RefuseAFrameThatIsTooLong) {
  call();
  client.connection->send(std::string((1U << 20U) + 1, 'x'));
  ASSERT_TRUE(run_until([&] { return !server.closed.empty(); }));
  EXPECT_NE(server.closed.find("too long"), std::string::npos) << server.closed;
}

TEST_F(Connections, GiveUpWhoDoesNotRead) {
  call();
  ASSERT_TRUE(run_until([&] { return accepted == 1; }));
  for (int i = 0; i < 9; ++i) {
    server.connection->send(std::string(1U << 19U, 'x'));
  }
  ASSERT_TRUE(run_until([&] { return !server.closed.empty(); }));
  EXPECT_NE(server.closed.find("does not read"), std::string::npos) << server.closed;
}

// A short message may ask for a long answer: many of them in one piece are not all answered before anybody looks.
TEST_F(Connections, GiveUpWhoAsksForMoreThanItReads) {
  call();
  server.answer = std::string(1U << 20U, 'x');
  for (int i = 0; i < 500; ++i) {
    client.connection->send("more");
  }
  ASSERT_TRUE(run_until([&] { return !server.closed.empty(); }));
  EXPECT_NE(server.closed.find("does not read"), std::string::npos) << server.closed;
  EXPECT_LE(server.frames.size(), 20U);
}

// The time that a queue takes follows its length.
TEST_F(Connections, SendManyShortFrames) {
  call();
  ASSERT_TRUE(run_until([&] { return accepted == 1; }));
  constexpr std::size_t kMany = 60'000;
  for (std::size_t i = 0; i < kMany; ++i) {
    server.connection->send("short");
  }
  ASSERT_TRUE(run_until([&] { return client.frames.size() == kMany; })) << client.frames.size();
  EXPECT_TRUE(server.connection->idle());
  EXPECT_EQ(server.connection->queued_bytes(), 0U);
}

TEST_F(Connections, EndOnceEverythingHasLeft) {
  call();
  ASSERT_TRUE(run_until([&] { return accepted == 1; }));
  server.connection->send("the last word");
  server.connection->finish();
  ASSERT_TRUE(run_until([&] { return !server.closed.empty() && !client.closed.empty(); }));
  ASSERT_EQ(client.frames.size(), 1U);
  EXPECT_EQ(client.frames[0], "the last word");
}

TEST_F(Connections, ShowTheSameKeyWhenResumed) {
  call();
  ASSERT_TRUE(run_until([&] { return client.opened == 1 && accepted == 1; }));
  server.connection->send("a ticket came before this");
  ASSERT_TRUE(run_until([&] { return client.frames.size() == 1; }));
  client.connection.reset();
  call();
  ASSERT_TRUE(run_until([&] { return client.opened == 2 && accepted == 2; }))
      << client.opened << accepted << client.closed << "; " << server.closed;
  EXPECT_EQ(server.connection->peer(), client_key.hash);
  EXPECT_EQ(client.connection->peer(), server_key.hash);
}

// Bytes that are no handshake, and clients that say nothing at all: the oldest go, and who comes with a key is served.
TEST_F(Connections, TakeTheNextOneAfterBadHandshakes) {
  std::vector<Fd> strangers;
  for (int i = 0; i < 40; ++i) {
    strangers.push_back(*dial(where));
    step();
    if (i % 2 == 0) {
      std::ignore = ::send(strangers.back().get(), "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL);
    }
  }
  call();
  ASSERT_TRUE(run_until([&] { return client.opened == 1 && accepted == 1; })) << client.closed;
  EXPECT_LE(listener->shaking_hands(), 4U);
  EXPECT_GE(listener->refused(), 30U);
}

// Who is served already does not notice, and nothing of the strangers is left.
TEST_F(Connections, HoldOutAgainstTenThousandBadHandshakes) {
  call();
  ASSERT_TRUE(run_until([&] { return client.opened == 1 && accepted == 1; }));
  server.echo = true;
  constexpr std::uint64_t kAll = 10'000;
  constexpr std::uint64_t kAtATime = 100;
  for (std::uint64_t strangers = 0; strangers < kAll; strangers += kAtATime) {
    for (std::uint64_t i = 0; i < kAtATime; ++i) {
      const Fd fd = *dial(where);
      std::ignore = ::send(fd.get(), "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL);
    }
    client.connection->send("still there?");
    while (listener->refused() < strangers + kAtATime || client.frames.size() <= strangers / kAtATime) {
      ASSERT_FALSE(timed_out) << listener->refused();
      step();
    }
  }
  EXPECT_EQ(listener->refused(), kAll);
  EXPECT_EQ(listener->shaking_hands(), 0U);
  EXPECT_EQ(accepted, 1);
}

TEST_F(Connections, AreTakenInAgainAfterDescriptorsRanOut) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  std::vector<Fd> callers;
  for (int i = 0; i < 3; ++i) {
    callers.push_back(*dial(where));
  }
  // As many as are open now, so that none can be accepted.
  const rlimit none{static_cast<rlim_t>(callers.back().get() + 1), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  std::vector<Fd> fill;
  for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) {
    fill.emplace_back(fd);
  }
  limit.after(std::chrono::milliseconds(50));
  ASSERT_TRUE(run_loop());
  EXPECT_EQ(listener->shaking_hands(), 0U);
  fill.clear();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  timed_out = false;
  call();
  EXPECT_TRUE(run_until([&] { return client.opened == 1 && accepted == 1; }));
}

// Writing to it then would end a process that does not ignore SIGPIPE.
TEST_F(Connections, OutliveAnOtherEndThatResets) {
  call();
  ASSERT_TRUE(run_until([&] { return client.opened == 1 && accepted == 1; }));
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(::setsockopt(client.connection->fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  const Fd raw(::dup(client.connection->fd()));
  ASSERT_EQ(::shutdown(raw.get(), SHUT_RDWR), 0);
  client.connection.reset();
  server.connection->send("nobody reads that");
  server.connection->finish();
  EXPECT_TRUE(run_until([&] { return !server.closed.empty(); }));
}

// The coordinator's default: what an IPv4 host is called from is no IPv6 address for its peers.
TEST(Dial, TellsIPv4AtASocketOfBothFamilies) {
  const Fd listener = *listen_on(*common::Ip::parse("::"), 0);
  const auto port = own_endpoint(listener.get())->port;
  const Fd caller = *dial({*common::Ip::parse("127.0.0.1"), port});
  Fd taken;
  for (int i = 0; i < 1000 && !taken.valid(); ++i) {
    taken = Fd(::accept(listener.get(), nullptr, nullptr));
  }
  ASSERT_TRUE(taken.valid());
  EXPECT_EQ(peer_endpoint(taken.get())->ip.text(), "127.0.0.1");
  EXPECT_EQ(source_towards({*common::Ip::parse("127.0.0.1"), 9})->text(), "127.0.0.1");
}

}  // namespace
}  // namespace krait::wire
