#include "krata/control/client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "common/fd.h"

namespace krata::control {
namespace {

// A daemon that refuses at once, while its client still has input to send.
TEST(Conversation, SaysWhyTheDaemonClosedIt) {
  std::string folder = (std::filesystem::temp_directory_path() / "krata_client_XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/socket";
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
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace krata::control
