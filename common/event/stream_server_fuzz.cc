// Fuzz target: any bytes as what two clients do to a server, step by step: connect, send a piece, read some, shut down
// one way, go away. One thread: a descriptor that is always ready makes the loop take one step of the script a round.
//
// A step is a byte, `client` in bit 0 and what to do in bits 1..3, and a byte that says how much.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "common/event/stream_server.h"
#include "tests/require.h"

namespace common {

namespace {

using krait::require;

constexpr int kRoundsAfterTheScript = 8;  // for what the last steps set going
constexpr std::size_t kMaxSteps = 200;

std::optional<Answer> answer(std::string_view input, const Client&) {
  require(!input.empty() && input.size() <= kMaxRequestBytes, "an input is there and bounded");
  const auto end = input.find('\n');
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  // 'b': more than the socket's buffer takes.
  const bool big = input[0] == 'b';
  return Answer{std::string(big ? std::size_t{1} << 20U : end + 1, '.'), end + 1, input[0] == 'e'};
}

class Script {
 public:
  Script(const std::uint8_t* data, std::size_t size, Loop& loop, const sockaddr_un& address, socklen_t address_bytes)
      : data_(data), size_(size), loop_(loop), address_(address), address_bytes_(address_bytes) {}

  void step() {
    if (at_ + 1 >= size_ || steps_ == kMaxSteps) {
      if (++rounds_ == kRoundsAfterTheScript) {
        loop_.stop();
      }
      return;
    }
    ++steps_;
    const unsigned what = data_[at_];
    const std::size_t amount = data_[at_ + 1];
    at_ += 2;
    act(clients_[what & 1U], (what >> 1U) & 7U, amount);
  }

 private:
  void act(Fd& client, unsigned what, std::size_t amount) {
    switch (what) {
      case 0:
        client.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        std::ignore = ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address_), address_bytes_);
        break;
      case 1:
        client.reset();
        break;
      case 2:
        ::shutdown(client.get(), amount % 2 == 0 ? SHUT_WR : SHUT_RD);
        break;
      case 3: {
        std::vector<char> read((amount + 1) * 4096);
        static_cast<void>(::recv(client.get(), read.data(), read.size(), 0));
        break;
      }
      case 4: {
        const std::string filler(amount * 64, 'x');
        static_cast<void>(::send(client.get(), filler.data(), filler.size(), MSG_NOSIGNAL));
        break;
      }
      default: {
        const std::size_t bytes = std::min(amount, size_ - at_);
        static_cast<void>(::send(client.get(), data_ + at_, bytes, MSG_NOSIGNAL));
        at_ += bytes;
      }
    }
  }

  const std::uint8_t* data_;
  std::size_t size_;
  Loop& loop_;
  const sockaddr_un& address_;
  socklen_t address_bytes_;
  std::size_t at_ = 0;
  std::size_t steps_ = 0;
  int rounds_ = 0;
  std::array<Fd, 2> clients_;
};

void run(const std::uint8_t* data, std::size_t size) {
  // A name that the kernel chooses (unix(7), autobind).
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socklen_t address_bytes = sizeof(address);
  require(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(sa_family_t)) == 0 &&
              ::listen(listener.get(), 4) == 0 &&
              ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &address_bytes) == 0,
          "a listener is there");
  const auto loop = std::move(*Loop::create());
  auto server = std::move(*StreamServer::serve(*loop, std::move(listener), answer, {.own_user = ~0U, .group = {}},
                                               {.clients = 3, .clients_of_user = 2, .waiting_bytes = 1U << 20U}));
  Script script(data, size, *loop, address, address_bytes);
  const Fd ready(::eventfd(1, EFD_CLOEXEC));
  require(loop->add(ready.get(), EPOLLIN, [&](std::uint32_t) { script.step(); }).has_value(), "a step a round");
  require(loop->run().has_value(), "the loop ends when it is told to");
}

}  // namespace

}  // namespace common

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  common::run(data, size);
  return 0;
}
