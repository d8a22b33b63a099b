// The port of the metrics page is taken, and comes free.
#include "krait/agent/metrics_server.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <optional>
#include <string>

#include "common/event/loopback.h"

namespace krait::agent {
namespace {

// A port of the loopback that is free, and who holds it.
struct Held {
  common::Fd listener;
  common::Endpoint address;
};

std::optional<Held> hold_a_port() {
  Held held;
  auto listener = common::listen_tcp({*common::Ip::parse("127.0.0.1"), 0});
  sockaddr_in name{};
  socklen_t size = sizeof(name);
  if (!listener || ::getsockname(listener->get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    return std::nullopt;
  }
  held.listener = std::move(*listener);
  held.address = {*common::Ip::parse("127.0.0.1"), ntohs(name.sin_port)};
  return held;
}

bool connects(const common::Endpoint& address) {
  const common::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
}

TEST(MetricsServerTest, ServesAsSoonAsThePortIsFree) {
  auto loop = common::Loop::create();
  ASSERT_TRUE(loop) << loop.error().text();
  common::Log log("test");
  auto held = hold_a_port();
  ASSERT_TRUE(held);
  const auto answer = [](std::string_view input, const common::Client&) {
    return std::optional(common::Answer{.bytes = "page", .consumed = input.size(), .close = true});
  };
  auto server = MetricsServer::start(**loop, log, held->address, answer, std::chrono::milliseconds(5));
  ASSERT_TRUE(server) << server.error().text();
  ASSERT_TRUE((*server)->fault());
  EXPECT_NE((*server)->fault()->what.find("Address already in use"), std::string::npos) << (*server)->fault()->what;
  held->listener.reset();
  const common::Fd looks(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  const timespec often{.tv_sec = 0, .tv_nsec = 1'000'000};
  const itimerspec times{.it_interval = often, .it_value = often};
  ASSERT_EQ(::timerfd_settime(looks.get(), 0, &times, nullptr), 0);
  ASSERT_TRUE((*loop)->add(looks.get(), EPOLLIN, [&](std::uint32_t) {
    if (!(*server)->fault()) {
      (*loop)->stop();
    }
  }));
  ASSERT_TRUE((*loop)->run());
  EXPECT_TRUE(connects(held->address));
}

TEST(MetricsServerTest, RefusesAnAddressThatIsNotALoopbackOne) {
  auto loop = common::Loop::create();
  ASSERT_TRUE(loop) << loop.error().text();
  common::Log log("test");
  const auto server = MetricsServer::start(**loop, log, {*common::Ip::parse("192.0.2.1"), 9517}, {});
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code(), common::ErrorCode::invalid_input);
}

}  // namespace
}  // namespace krait::agent
