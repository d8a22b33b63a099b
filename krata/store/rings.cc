#include "krata/store/rings.h"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <utility>

#include "krata/xen/xen.h"

namespace krata::store {

using common::Log;
using common::Loop;
using common::Result;

namespace {

Result<xen::Teller::Ask> open_ask() {
  KRAIT_TRY(auto opened, xen::open_hypervisor());
  return xen::Teller::Ask([hypervisor = std::shared_ptr(std::move(opened))](xen::DomainId domain) {
    return hypervisor->domain_info(domain);
  });
}

}  // namespace

Result<std::unique_ptr<RingServer>> RingServer::open(Log& log, std::function<Result<void>()> give_away) {
  std::unique_ptr<RingServer> rings(new RingServer(log));
  KRAIT_TRY(rings->teller_, xen::Teller::start({.open = open_ask, .give_away = std::move(give_away)}));
  KRAIT_TRY(rings->events_, xen::EventDevice::open());
  KRAIT_TRY(rings->grants_, xen::GrantDevice::open());
  KRAIT_TRY(rings->exceptions_, rings->events_->bind_domain_exceptions());
  KRAIT_TRY(rings->own_, xen::open_own_store());
  return rings;
}

RingServer::~RingServer() {
  if (token_ != 0) {
    loop_->remove(token_);
  }
}

Result<void> RingServer::serve(Loop& loop, Store& store, Server& server) {
  loop_ = &loop;
  store_ = &store;
  server_ = &server;
  KRAIT_CHECK(connect_domain_0());
  for (const DomainId domain : store.domains_with_rings()) {
    if (domain != 0) {
      KRAIT_CHECK(reconnect(domain));
    }
  }
  KRAIT_TRY(token_, loop.add(events_->fd(), EPOLLIN, [this](std::uint32_t) { handle_events(); }));
  KRAIT_TRY(turn_, common::Timer::create(loop, [this] { serve_unfinished(); }));
  server.set_carrier(this);
  look_for_ended();
  for (const DomainId domain : store.domains_with_rings()) {
    resume(domain);
  }
  return server.failure();
}

Result<void> RingServer::connect_domain_0() {
  xen::ByteRing bytes = xen::ByteRing::store(own_.page.bytes());
  KRAIT_TRY(auto channel, events_->bind(0, own_.port), "serve domain 0's kernel");
  store_->connect_domain_0({.taken = bytes.taken(), .put = bytes.put()});
  rings_.emplace(0, Ring{.granted = {}, .own = std::move(own_.page), .bytes = bytes, .channel = std::move(channel)});
  return {};
}

Result<RingServer::Ring> RingServer::open_ring(DomainId domain, xen::Port port) {
  const std::array<xen::GrantRef, 1> ref{xen::kStoreGrant};
  const auto id = static_cast<xen::DomainId>(domain);
  KRAIT_TRY(auto granted, grants_->map(id, ref));
  KRAIT_TRY(auto channel, events_->bind(id, port));
  const xen::ByteRing bytes = xen::ByteRing::store(granted.bytes());
  return Ring{.granted = std::move(granted), .own = {}, .bytes = bytes, .channel = std::move(channel)};
}

Answer<RingPlace> RingServer::connect(DomainId domain, std::uint64_t /*page*/, std::uint32_t port) {
  rings_.erase(domain);  // its port can be bound once
  auto ring = open_ring(domain, port);
  if (!ring) {
    log_.warning(fmt::format("domain {} is not introduced: {}", domain, ring.error().text()));
    return std::unexpected(Refusal::einval);
  }
  const RingPlace place{.taken = ring->bytes.taken(), .put = ring->bytes.put()};
  rings_.emplace(domain, *std::move(ring));
  return place;
}

// A domain that cannot be connected is on its way out, and look_for_ended() finds it; or it is given up.
Result<void> RingServer::reconnect(DomainId domain) {
  KRAIT_TRY(const auto life, teller_.look(static_cast<xen::DomainId>(domain)));
  if (life == xen::Life::gone) {
    return {};
  }
  auto ring = open_ring(domain, store_->port_of(domain));
  if (!ring) {
    log_.warning(fmt::format("domain {} is not served any more: {}", domain, ring.error().text()));
    store_->break_ring(domain);
    return {};
  }
  rings_.emplace(domain, *std::move(ring));
  return {};
}

void RingServer::resume(DomainId domain) {
  if (is_served(domain)) {
    Ring& ring = rings_.at(domain);
    report(domain, store::resume(*store_, domain, ring.bytes));
    std::ignore = ring.channel.notify();  // also for domain 0's kernel, which waits for a first sign
  }
}

// Without an answer nobody can go on: another process of the store will ask one of its own.
std::optional<xen::Life> RingServer::life_of(DomainId domain) const {
  auto life = teller_.look(static_cast<xen::DomainId>(domain));
  if (!life) {
    failure_ = std::move(life.error());
    loop_->stop();
    return std::nullopt;
  }
  return *life;
}

bool RingServer::exists(DomainId domain) const {
  const auto life = life_of(domain);
  return life && *life != xen::Life::gone;
}

void RingServer::handle_events() {
  const auto ports = events_->take();
  for (const xen::Port port : ports ? *ports : std::span<const xen::Port>()) {
    std::ignore = events_->unmask(port);
    if (port == exceptions_.port()) {
      look_for_ended();
      continue;
    }
    const auto found =
        std::ranges::find_if(rings_, [&](const auto& entry) { return entry.second.channel.port() == port; });
    if (found != rings_.end()) {
      serve_ring(found->first);
    }
  }
}

bool RingServer::is_served(DomainId domain) const {
  const Streams* streams = store_->streams(domain);
  return rings_.contains(domain) && streams != nullptr && !streams->is_broken;
}

class RingServer::Port : public RingPort {
 public:
  Port(RingServer& server, DomainId domain) : server_(server), domain_(domain) {}

  xen::ByteRing* ring() override {
    const auto found = server_.rings_.find(domain_);
    return found == server_.rings_.end() ? nullptr : &found->second.bytes;
  }
  bool keep() override { return server_.server_->send(server_.messages_); }
  void notify() override { std::ignore = server_.rings_.at(domain_).channel.notify(); }

 private:
  RingServer& server_;
  DomainId domain_;
};

void RingServer::serve_ring(DomainId domain) {
  if (!is_served(domain)) {
    return;
  }
  Port port(*this, domain);
  const RingState state = store::serve(*store_, domain, messages_, port);
  report(domain, state);
  if (state == RingState::moved) {
    unfinished_.insert(domain);
    turn_.after(std::chrono::nanoseconds(0));
  }
}

void RingServer::serve_unfinished() {
  for (const DomainId domain : std::exchange(unfinished_, {})) {
    serve_ring(domain);
  }
}

void RingServer::carry(DomainId domain) {
  if (!is_served(domain)) {
    return;
  }
  Ring& ring = rings_.at(domain);
  const RingState state = store::carry(*store_, domain, ring.bytes);
  report(domain, state);
  if (state == RingState::moved) {
    std::ignore = ring.channel.notify();
  }
}

void RingServer::report(DomainId domain, RingState state) {
  if (state == RingState::broken) {
    log_.warning(fmt::format("domain {} broke the protocol of its ring, and is not served any more", domain));
  }
}

// The hypervisor only says that some domain has shut down, or is going.
void RingServer::look_for_ended() {
  for (const DomainId domain : store_->domains_with_rings()) {
    if (domain == 0) {
      continue;
    }
    const auto life = life_of(domain);
    if (life == xen::Life::gone) {
      store_->domain_gone(domain, messages_);
    } else if (life == xen::Life::shut_down) {
      store_->domain_shut_down(domain, messages_);
    }
  }
  store_->queue(messages_);
  server_->send(messages_);
}

}  // namespace krata::store
