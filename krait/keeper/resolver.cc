#include "krait/keeper/resolver.h"

#include <ares.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace krait::keeper {

using common::Error;
using common::Result;

namespace {

constexpr std::size_t kMaxUnderWay = 256;
// Of the first try; c-ares doubles it from try to try. A server that is silent costs 21 s.
constexpr int kTimeoutMs = 3000;
constexpr int kTries = 3;
constexpr long kMaxDelayMs = 1000;  // of an answer that waits for others

std::vector<common::Ip> addresses_of(const ares_addrinfo* result) {
  std::vector<common::Ip> addresses;
  for (const auto* node = result == nullptr ? nullptr : result->nodes; node != nullptr; node = node->ai_next) {
    common::Ip ip;
    if (node->ai_family == AF_INET && node->ai_addrlen >= sizeof(sockaddr_in)) {
      const auto* address = reinterpret_cast<const sockaddr_in*>(node->ai_addr);
      std::memcpy(ip.bytes.data(), &address->sin_addr, sizeof(address->sin_addr));
    } else if (node->ai_family == AF_INET6 && node->ai_addrlen >= sizeof(sockaddr_in6)) {
      ip.family = common::Family::v6;
      const auto* address = reinterpret_cast<const sockaddr_in6*>(node->ai_addr);
      std::memcpy(ip.bytes.data(), &address->sin6_addr, sizeof(address->sin6_addr));
    } else {
      continue;
    }
    addresses.push_back(ip);
  }
  return addresses;
}

}  // namespace

struct Resolver::Query {
  Resolver& resolver;
  std::string name;
};

void Resolver::Closer::operator()(ares_channeldata* channel) const { ares_destroy(channel); }

Result<std::unique_ptr<Resolver>> Resolver::create(common::Loop& loop, Handler handler) {
  if (const int status = ares_library_init(ARES_LIB_INIT_ALL); status != ARES_SUCCESS) {
    return Error(common::ErrorCode::system, std::string("set up c-ares: ") + ares_strerror(status));
  }
  std::unique_ptr<Resolver> resolver(new Resolver(loop, std::move(handler)));
  auto timer = common::Timer::create(loop, [it = resolver.get()] { it->on_timer(); });
  if (!timer) {
    return std::move(timer.error());
  }
  resolver->timer_ = std::move(*timer);
  return resolver;
}

Resolver::~Resolver() {
  channel_.reset();  // ends every query, and takes its sockets from the loop
  ares_library_cleanup();
}

void Resolver::look_up(const std::string& name) {
  if (!known_.insert(name).second) {
    return;
  }
  waiting_.push_back(name);
  arm_timer();
}

bool Resolver::open_channel() {
  ares_options options{};
  options.timeout = kTimeoutMs;
  options.tries = kTries;
  options.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
    static_cast<Resolver*>(self)->watch(fd, readable != 0, writable != 0);
  };
  options.sock_state_cb_data = this;
  ares_channeldata* channel = nullptr;
  const int status =
      ares_init_options(&channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
  if (status == ARES_SUCCESS) {
    channel_.reset(channel);
    return true;
  }
  for (const std::string& name : std::exchange(waiting_, {})) {
    finish(name, status, {});
  }
  return false;
}

void Resolver::start_waiting_names() {
  if (waiting_.empty() || (!channel_ && !open_channel())) {
    return;
  }
  while (!waiting_.empty() && under_way_ < kMaxUnderWay) {
    ask(std::exchange(waiting_.front(), {}));
    waiting_.pop_front();
  }
}

void Resolver::ask(const std::string& name) {
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;  // each address once
  ++under_way_;
  ares_getaddrinfo(
      channel_.get(), name.c_str(), nullptr, &hints,
      [](void* argument, int status, int /*timeouts*/, ares_addrinfo* result) {
        const std::unique_ptr<Query> query(static_cast<Query*>(argument));
        auto addresses = addresses_of(result);
        ares_freeaddrinfo(result);
        --query->resolver.under_way_;
        query->resolver.finish(query->name, status, std::move(addresses));
      },
      new Query{*this, name});
}

void Resolver::finish(const std::string& name, int status, std::vector<common::Ip> addresses) {
  std::string failure;
  if (addresses.empty()) {
    failure = status == ARES_SUCCESS ? "the name has no address" : ares_strerror(status);
  }
  known_.erase(name);
  answers_.push_back({name, std::move(addresses), std::move(failure)});
}

void Resolver::watch(int fd, bool readable, bool writable) {
  const std::uint32_t events = (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);
  const auto found = sockets_.find(fd);
  if (events == 0) {
    if (found != sockets_.end()) {
      loop_.remove(found->second);
      sockets_.erase(found);
    }
  } else if (found != sockets_.end()) {
    // Of a socket that is not watched any more the queries run into their time-out.
    static_cast<void>(loop_.change(found->second, events));
  } else if (auto token = loop_.add(fd, events, [this, fd](std::uint32_t got) { on_socket(fd, got); })) {
    sockets_.emplace(fd, *token);
  }
}

void Resolver::on_socket(int fd, std::uint32_t events) {
  const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
  ares_process_fd(channel_.get(), broken || (events & EPOLLIN) != 0 ? fd : ARES_SOCKET_BAD,
                  broken || (events & EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD);
  if (under_way_ == 0) {
    go_on();
  } else {
    arm_timer();
  }
}

void Resolver::on_timer() {
  if (channel_) {
    ares_process_fd(channel_.get(), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }
  go_on();
}

void Resolver::go_on() {
  if (under_way_ == 0) {
    channel_.reset();
  }
  start_waiting_names();
  if (!answers_.empty()) {
    handler_(std::exchange(answers_, {}));
  }
  arm_timer();
}

// At once when something can be done, else at the channel's next time-out; never while there is nothing to do.
void Resolver::arm_timer() {
  if ((!waiting_.empty() && under_way_ < kMaxUnderWay) || (under_way_ == 0 && (channel_ || !answers_.empty()))) {
    timer_.after(std::chrono::nanoseconds(0));
  } else if (under_way_ != 0) {
    timeval most{};
    most.tv_sec = answers_.empty() ? 3600 : kMaxDelayMs / 1000;
    timeval room{};
    const timeval* left = ares_timeout(channel_.get(), &most, &room);
    timer_.after(std::chrono::seconds(left->tv_sec) + std::chrono::microseconds(left->tv_usec));
  } else {
    timer_.stop();
  }
}

}  // namespace krait::keeper
