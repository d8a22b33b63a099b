// A database that goes while it commits: whether the change was made, its answer would have said.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <thread>

#include "common/event/unix_socket.h"
#include "common/fd.h"
#include "common/test_folder.h"
#include "krait/records/postgresql_server.h"
#include "krait/records/store.h"

namespace krait::records {
namespace {

// Stands between libpq and the server, and hands on what either says, one connection at a time.
class Between {
 public:
  enum class Eats : std::uint8_t { nothing, commit, answer };  // of the next COMMIT; then it ends the connection

  explicit Between(std::string server_socket) : server_socket_(std::move(server_socket)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder_.at(".s.PGSQL.5432");
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~Between() {
    const std::uint64_t one = 1;
    std::ignore = ::write(end_.get(), &one, sizeof(one));
    thread_.join();
  }
  Between(const Between&) = delete;
  Between& operator=(const Between&) = delete;

  [[nodiscard]] const std::string& folder() const { return folder_.path(); }
  void eat(Eats what) { eats_ = what; }

 private:
  void serve() {
    while (waits_for(listener_.get(), end_.get()) == listener_.get()) {
      const common::Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      const auto server = common::connect_unix(server_socket_);
      if (client.valid() && server) {
        hand_on(client.get(), server->get());
      }
    }
  }

  void hand_on(int client, int server) {
    for (;;) {
      const int from = waits_for(client, server);
      if (from == end_.get()) {
        return;
      }
      std::array<char, 65536> bytes{};
      const ssize_t got = ::read(from, bytes.data(), bytes.size());
      if (got <= 0) {
        return;
      }
      const std::string_view said(bytes.data(), static_cast<std::size_t>(got));
      const bool commits = from == client && said.find("COMMIT") != std::string_view::npos;
      const Eats eats = commits ? eats_.exchange(Eats::nothing) : Eats::nothing;
      if (eats == Eats::commit) {
        return;
      }
      std::ignore = ::write(from == client ? server : client, said.data(), said.size());
      if (eats == Eats::answer) {
        std::ignore = waits_for(server, server);
        return;
      }
    }
  }

  // The one that is readable, or the end's.
  [[nodiscard]] int waits_for(int one, int other) const {
    std::array<pollfd, 3> waiting{{{end_.get(), POLLIN, 0}, {one, POLLIN, 0}, {other, POLLIN, 0}}};
    ::poll(waiting.data(), waiting.size(), -1);
    for (const pollfd& each : waiting) {
      if (each.revents != 0) {
        return each.fd;
      }
    }
    return end_.get();
  }

  std::string server_socket_;
  common::TestFolder folder_;
  common::Fd listener_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  common::Fd end_{::eventfd(0, EFD_CLOEXEC)};
  std::atomic<Eats> eats_ = Eats::nothing;
  std::thread thread_;
};

TEST(Postgresql, LooksForWhatItCommittedWhereItHeardNoAnswer) {
  const auto server = PostgresqlServer::start();
  ASSERT_NE(server, nullptr);
  const std::string direct = server->make_database("lost");  // "host=FOLDER user=..."
  const std::size_t folder = std::string("host=").size();
  Between between(direct.substr(folder, direct.find(' ') - folder) + "/.s.PGSQL.5432");
  auto database = open_postgresql("host=" + between.folder() + direct.substr(direct.find(' ')));
  ASSERT_TRUE(database) << database.error().text();
  auto store = Store::create(*std::move(database));
  ASSERT_TRUE(store) << store.error().text();
  const auto change = [](std::uint64_t base, const char* value) {
    return Change{
        .base = base, .who = "alice", .what = "change", .at_s = 1'700'000'000, .records = {{1, "a", value, 0}}};
  };

  between.eat(Between::Eats::answer);
  const auto made = store->commit(change(0, "first"));
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(*made, 1U);
  EXPECT_EQ(*store->revision(), 1U);

  between.eat(Between::Eats::commit);
  const auto lost = store->commit(change(1, "second"));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), common::ErrorCode::unavailable) << lost.error().text();
  EXPECT_EQ(*store->revision(), 1U);
  EXPECT_EQ(*store->commit(change(1, "third")), 2U);
  EXPECT_EQ(*store->value(1, "a"), "third");
  EXPECT_EQ(*store->verify_audit(), 2U);
}

}  // namespace
}  // namespace krait::records
