#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "common/event/unix_socket.h"
#include "common/test_folder.h"
#include "krata/cli/asking.h"
#include "krata/cli/zone.h"

namespace krata::cli {
namespace {

// A daemon that hears one request and gives the answer.
class OneAnswer {
 public:
  explicit OneAnswer(std::string answer) : answer_(std::move(answer)) {
    thread_ = std::thread([this] { serve(); });
  }
  OneAnswer(const OneAnswer&) = delete;
  OneAnswer& operator=(const OneAnswer&) = delete;
  ~OneAnswer() { join(); }

  [[nodiscard]] std::string path() const { return folder_.at("socket"); }
  [[nodiscard]] common::Json request() {
    join();
    return common::parse_json(request_);
  }

 private:
  void serve() {
    pollfd waiting{.fd = listener_.get(), .events = POLLIN, .revents = 0};
    ::poll(&waiting, 1, 30'000);
    const common::Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::array<char, 4096> bytes{};
    while (request_.find('\n') == std::string::npos) {
      const ssize_t got = ::recv(client.get(), bytes.data(), bytes.size(), 0);
      if (got <= 0) {
        return;
      }
      request_.append(bytes.data(), static_cast<std::size_t>(got));
    }
    answer_ += '\n';
    ::send(client.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
  }
  void join() {
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  common::TestFolder folder_;
  common::ControlSocket socket_ = common::ControlSocket::listen(path(), "", 0600).value();
  common::Fd listener_ = socket_.take();
  std::string answer_;
  std::string request_;
  std::thread thread_;
};

struct Said {
  int code = 0;
  std::string out;
  std::string errors;
};

Said run(const std::vector<const char*>& words) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = run_asking(static_cast<int>(words.size()), words.data());
  return {
      .code = code, .out = testing::internal::GetCapturedStdout(), .errors = testing::internal::GetCapturedStderr()};
}

TEST(Start, AsksForItAndSaysWhatTheZoneDoes) {
  OneAnswer daemon(
      R"({"version":1,"zone":{"name":"web","state":"restarting","end":{"reason":"stopped","code":3},"note":""}})");
  const std::string path = daemon.path();
  const Said said = run({"krata", "zone", "start", "--socket", path.c_str(), "web"});
  EXPECT_EQ(said.code, 0) << said.errors;
  EXPECT_EQ(said.out, "web  restarting\n");
  EXPECT_EQ(daemon.request(), common::Json({{"version", 1}, {"request", "start"}, {"zone", "web"}}));
}

TEST(Start, PassesOnWhyNot) {
  OneAnswer daemon(R"({"version":1,"error":"zone web runs already","code":"invalid_input","diagnostics":[]})");
  const std::string path = daemon.path();
  const Said said = run({"krata", "zone", "start", "--socket", path.c_str(), "web"});
  EXPECT_EQ(said.code, 1);
  EXPECT_EQ(said.errors, "krata: zone web runs already\n");
}

TEST(Stop, AllThatHaveNotEndedTheLastOneFirst) {
  const auto zones = common::parse_json(R"([{"id":"1","state":"running"},{"id":"2","state":"ended"},
      {"id":"3","state":"restarting"},{"id":"4","state":"removing"},{"id":"5","state":"preparing"}])");
  EXPECT_EQ(ids_to_stop(zones), (std::vector<std::string>{"5", "3", "1"}));
  EXPECT_TRUE(ids_to_stop(common::Json::array()).empty());
}

}  // namespace
}  // namespace krata::cli
