#include "common/event/stream_server.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "common/event/unix_socket.h"
#include "common/test_folder.h"

namespace common {
namespace {

std::optional<Answer> echo(std::string_view input, const Client&) {
  const auto end = input.find('\n');
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string line(input.substr(0, end + 1));
  if (line == "take over\n") {
    return Answer{.bytes = line, .consumed = end + 1, .take_over = [](const Fd& connection, const std::string& rest) {
                    const std::string text = "taken: " + rest;
                    ::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL);
                  }};
  }
  return Answer{line == "big\n" ? std::string(std::size_t{8} << 20U, 'x') + "\n" : line, end + 1, line == "end\n"};
}

// A server on a socket of its own, in a thread of its own.
class StreamServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto socket = ControlSocket::listen(path(), "a hint");
    ASSERT_TRUE(socket) << socket.error().text();
    socket_ = std::make_unique<ControlSocket>(std::move(*socket));
    loop_ = std::move(*Loop::create());
    server_ = std::move(*StreamServer::serve(*loop_, socket_->take(), echo, {}, {.clients = 4}));
    stop_.reset(::eventfd(0, EFD_CLOEXEC));
    ASSERT_TRUE(loop_->add(stop_.get(), EPOLLIN, [this](std::uint32_t) { loop_->stop(); }));
    thread_ = std::thread([this] { EXPECT_TRUE(loop_->run()); });
  }
  void TearDown() override {
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(stop_.get(), &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
    thread_.join();
    server_.reset();
    socket_.reset();
  }
  [[nodiscard]] std::string path() const { return directory_.at("test.sock"); }
  [[nodiscard]] Fd connect() const {
    auto fd = connect_unix(path());
    EXPECT_TRUE(fd);
    const timeval limit{.tv_sec = 20, .tv_usec = 0};  // a hang is a failure, not a wait for ever
    ::setsockopt(fd->get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return std::move(*fd);
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

// Up to a newline, or "" when the connection ended before.
std::string hear(const Fd& fd) {
  std::string line;
  for (char byte = 0;;) {
    const ssize_t got = ::recv(fd.get(), &byte, 1, 0);
    if (got != 1) {
      EXPECT_TRUE(got == 0 || errno == ECONNRESET) << "neither an answer nor the end came";
      return "";
    }
    line += byte;
    if (byte == '\n') {
      return line;
    }
  }
}

// Of a server that takes one client at a time each further one takes the place of the one before: were all accepted
// that wait, only the last would ever be heard.
TEST_F(StreamServerTest, ClientsHaveTheirTurnHoweverManyConnect) {
  constexpr int kClients = 60;  // as many as the queue holds
  auto socket = ControlSocket::listen(directory_.at("other.sock"), "a hint");
  ASSERT_TRUE(socket);
  const auto loop = std::move(*Loop::create());
  const auto server = std::move(*StreamServer::serve(*loop, socket->take(), echo, {}, {.clients = 1}));
  std::vector<Fd> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::move(*connect_unix(directory_.at("other.sock"))));
    say(clients.back(), "end\n");
  }
  const Fd stop(::eventfd(0, EFD_CLOEXEC));
  ASSERT_TRUE(loop->add(stop.get(), EPOLLIN, [&](std::uint32_t) { loop->stop(); }));
  std::thread thread([&] { EXPECT_TRUE(loop->run()); });
  int heard = 0;
  for (const Fd& client : clients) {
    heard += hear(client) == "end\n" ? 1 : 0;
  }
  const std::uint64_t one = 1;
  EXPECT_EQ(::write(stop.get(), &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
  thread.join();
  EXPECT_GE(heard, 2);
}

TEST_F(StreamServerTest, AnswersRequestsInPieces) {
  const Fd client = connect();
  say(client, "hel");
  say(client, "lo\n");
  EXPECT_EQ(hear(client), "hello\n");
}

TEST_F(StreamServerTest, AnswersSeveralRequestsOfOnePiece) {
  const Fd client = connect();
  say(client, "one\ntwo\nthree\n");
  EXPECT_EQ(hear(client), "one\n");
  EXPECT_EQ(hear(client), "two\n");
  EXPECT_EQ(hear(client), "three\n");
}

TEST_F(StreamServerTest, AnswersBeforeItHeedsTheEnd) {
  const Fd client = connect();
  say(client, "last\n");
  ::shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(hear(client), "last\n");
  EXPECT_EQ(hear(client), "");
}

TEST_F(StreamServerTest, ServesOthersWhileOneDoesNotRead) {
  const Fd slow = connect();
  say(slow, "big\nafter\n");
  const Fd other = connect();
  say(other, "quick\n");
  EXPECT_EQ(hear(other), "quick\n");
  std::size_t got = 0;
  std::array<char, 65536> chunk;
  while (got < (std::size_t{8} << 20U) + 1) {
    const ssize_t now = ::recv(slow.get(), chunk.data(), std::min(chunk.size(), (std::size_t{8} << 20U) + 1 - got), 0);
    ASSERT_GT(now, 0);
    got += static_cast<std::size_t>(now);
  }
  EXPECT_EQ(hear(slow), "after\n");
}

TEST_F(StreamServerTest, CutsOffARequestWithoutEnd) {
  const Fd client = connect();
  say(client, std::string(kMaxRequestBytes, 'a'));
  EXPECT_EQ(hear(client), "");
}

TEST_F(StreamServerTest, EndsWhenTheAnswerSaysSo) {
  const Fd client = connect();
  say(client, "end\nignored\n");
  EXPECT_EQ(hear(client), "end\n");
  EXPECT_EQ(hear(client), "");
}

TEST_F(StreamServerTest, GivesUpTheOldestWhenItIsFull) {
  std::vector<Fd> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(connect());
    say(clients.back(), "here\n");
    EXPECT_EQ(hear(clients.back()), "here\n");
  }
  EXPECT_EQ(hear(clients[0]), "");
  say(clients[1], "still\n");
  EXPECT_EQ(hear(clients[1]), "still\n");
}

TEST_F(StreamServerTest, RefusesASecondAgentOnTheSameSocket) {
  const auto second = ControlSocket::listen(path(), "a hint");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::unavailable);
  const Fd client = connect();
  say(client, "alive\n");
  EXPECT_EQ(hear(client), "alive\n");
}

TEST(ControlSocketTest, ReplacesAStaleSocketAndRefusesOtherFiles) {
  const common::TestFolder directory;
  const std::string path = directory.at("sub/agent.sock");
  {
    auto first = ControlSocket::listen(path, "a hint");
    ASSERT_TRUE(first) << first.error().text();
    struct stat found{};
    ASSERT_EQ(::stat(path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0666U);
    // What SIGKILL leaves: the file without anybody behind it.
    ASSERT_EQ(::rename(path.c_str(), (path + ".kept").c_str()), 0);
  }
  ASSERT_EQ(::rename((path + ".kept").c_str(), path.c_str()), 0);
  EXPECT_EQ(connect_unix(path).error().code(), ErrorCode::unavailable);
  {
    const auto own = ControlSocket::listen(path, "a hint", 0600);
    ASSERT_TRUE(own) << own.error().text();
    struct stat found{};
    ASSERT_EQ(::stat(path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0600U);
  }
  EXPECT_EQ(connect_unix(path).error().code(), ErrorCode::unavailable);
  std::filesystem::create_directory(path);
  EXPECT_FALSE(ControlSocket::listen(path, "a hint"));
  EXPECT_FALSE(ControlSocket::listen(std::string(200, 'a'), "a hint"));
}

TEST_F(StreamServerTest, HandsAConnectionOver) {
  const Fd client = connect();
  say(client, "take over\nmore\n");
  EXPECT_EQ(hear(client), "take over\n");
  EXPECT_EQ(hear(client), "taken: more\n");
  EXPECT_EQ(hear(client), "");
}

}  // namespace
}  // namespace common
