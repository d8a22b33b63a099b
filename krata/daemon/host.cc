#include "krata/daemon/host.h"

#include <sys/epoll.h>

#include <cstdlib>
#include <tuple>
#include <utility>

namespace krata::daemon {

namespace {

constexpr int kMaxRounds = 4;
constexpr int kMaxEventsOfTurn = 256;
constexpr std::chrono::milliseconds kAgain{1};

}  // namespace

using common::Result;

Result<std::unique_ptr<Events>> Events::serve(common::Loop& loop, std::unique_ptr<xen::EventDevice> device) {
  std::unique_ptr<Events> events(new Events(loop, std::move(device)));
  KRAIT_TRY(events->token_,
            loop.add(events->device_->fd(), EPOLLIN, [raw = events.get()](std::uint32_t) { raw->dispatch(); }));
  return events;
}

Events::~Events() { loop_.remove(token_); }

Result<xen::EventChannel> Events::bind(xen::DomainId domain, xen::Port port, std::function<void()> handler) {
  KRAIT_TRY(auto channel, device_->bind(domain, port));
  handlers_[channel.port()] = std::make_shared<std::function<void()>>(std::move(handler));
  return channel;
}

void Events::dispatch() {
  const auto ports = device_->take();
  for (const xen::Port port : ports ? *ports : std::span<const xen::Port>()) {
    std::ignore = device_->unmask(port);
    if (const auto found = handlers_.find(port); found != handlers_.end()) {
      const auto handler = found->second;  // it may be forgotten meanwhile
      (*handler)();
    }
  }
}

Result<std::unique_ptr<Watches>> Watches::open(common::Loop& loop, const std::string& socket) {
  KRAIT_TRY(auto client, store::StoreClient::connect(socket));
  std::unique_ptr<Watches> watches(new Watches(loop, std::move(client)));
  KRAIT_TRY(watches->token_,
            loop.add(watches->client_->fd(), EPOLLIN, [raw = watches.get()](std::uint32_t) { raw->dispatch(); }));
  KRAIT_TRY(watches->again_, common::Timer::create(loop, [raw = watches.get()] { raw->dispatch(); }));
  return watches;
}

Watches::~Watches() { loop_.remove(token_); }

Result<std::uint64_t> Watches::add(const std::string& path, std::function<void()> handler) {
  const std::uint64_t watch = next_++;
  watches_[watch] = {.path = path, .handler = std::make_shared<std::function<void()>>(std::move(handler))};
  if (auto done = client_->watch(path, std::to_string(watch)); !done) {
    watches_.erase(watch);
    return passed_on(done, "watch " + path);
  }
  return watch;
}

void Watches::remove(std::uint64_t watch) {
  if (const auto found = watches_.find(watch); found != watches_.end()) {
    std::ignore = client_->unwatch(found->second.path, std::to_string(watch));
    watches_.erase(found);
  }
}

// Many events of one watch are one change, and after some turns others have theirs: a zone writes to its nodes as often
// as it likes, and each look costs a question to the store.
void Watches::dispatch() {
  for (int round = 0; round < kMaxRounds; ++round) {
    const auto changed = take_changed();
    if (!changed) {
      return loop_.stop();  // the store has ended, and with it this connection: who starts us starts us again
    }
    if (changed->empty()) {
      return;
    }
    for (const std::uint64_t watch : *changed) {
      if (const auto found = watches_.find(watch); found != watches_.end()) {
        const auto handler = found->second.handler;
        (*handler)();
      }
    }
  }
  again_.after(kAgain);  // no descriptor tells of what came while an answer was waited for
}

std::optional<std::set<std::uint64_t>> Watches::take_changed() {
  std::set<std::uint64_t> changed;
  for (int taken = 0; taken < kMaxEventsOfTurn; ++taken) {
    const auto event = client_->next_event();
    if (!event) {
      return std::nullopt;
    }
    if (!*event) {
      break;
    }
    changed.insert(std::strtoull((*event)->token.c_str(), nullptr, 10));
  }
  return changed;
}

}  // namespace krata::daemon
