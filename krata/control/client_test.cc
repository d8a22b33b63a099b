#include "krata/control/client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>

#include "common/fd.h"
#include "common/test_folder.h"

namespace krata::control {
namespace {

// A daemon that refuses at once, while its client still has input to send.
TEST(Conversation, SaysWhyTheDaemonClosedIt) {
  const common::TestFolder folder;
  const std::string path = folder.at("socket");
  const common::Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);

  auto conversation = Conversation::open(path, Request{});
  ASSERT_TRUE(conversation) << conversation.error().text();
  {
    const common::Fd daemon(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const std::string answer = R"({"version":1,"error":"it does not run","code":"unavailable","diagnostics":[]})"
                               "\n";
    ASSERT_EQ(::send(daemon.get(), answer.data(), answer.size(), 0), static_cast<ssize_t>(answer.size()));
  }
  EXPECT_TRUE(conversation->send({{"input", "x"}}));
  const auto said = conversation->next();
  ASSERT_FALSE(said);
  EXPECT_EQ(said.error().text(), "it does not run");
}

}  // namespace
}  // namespace krata::control
