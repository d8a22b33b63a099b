#include "krata/store/rings.h"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>

#include "krata/xen/xen.h"

namespace krata::store {

using common::Log;
using common::Loop;
using common::Result;

namespace {

constexpr int kMaxEvents = 64;            // before the sockets' turn
constexpr std::size_t kReadBytes = 1024;  // of a ring in its turn: all that it can hold

bool is_gone(const std::optional<xen::DomainInfo>& info) { return !info || info->is_dying; }

}  // namespace

Result<std::unique_ptr<RingServer>> RingServer::open(Log& log) {
  std::unique_ptr<RingServer> rings(new RingServer(log));
  KRAIT_TRY(rings->hypervisor_, xen::open_hypervisor());
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
  KRAIT_TRY(const auto info, hypervisor_->domain_info(static_cast<xen::DomainId>(domain)));
  if (is_gone(info)) {
    return {};
  }
  auto ring = open_ring(domain, store_->port_of(domain));
  if (!ring) {
    give_up(domain, ring.error().text().c_str());
    return {};
  }
  rings_.emplace(domain, *std::move(ring));
  return {};
}

// What the former process had written down and perhaps put into the ring, or not any more.
void RingServer::resume(DomainId domain) {
  const auto ring = rings_.find(domain);
  const Streams* streams = store_->streams(domain);
  if (ring == rings_.end() || streams == nullptr || streams->is_broken) {
    return;
  }
  const std::uint32_t through = ring->second.bytes.put() - streams->put;
  if (through > streams->outbox.waiting().size()) {
    give_up(domain, "it has moved the store's index");
    return;
  }
  store_->said(domain, through);
  carry(domain);
  std::ignore = ring->second.channel.notify();  // also for domain 0's kernel, which waits for a first sign
}

bool RingServer::exists(DomainId domain) const {
  const auto info = hypervisor_->domain_info(static_cast<xen::DomainId>(domain));
  return info && !is_gone(*info);
}

void RingServer::handle_events() {
  for (int handled = 0; handled < kMaxEvents; ++handled) {
    const auto port = events_->next();
    if (!port || !*port) {
      return;
    }
    std::ignore = events_->unmask(**port);
    if (**port == exceptions_.port()) {
      look_for_ended();
      continue;
    }
    const auto found =
        std::ranges::find_if(rings_, [&](const auto& entry) { return entry.second.channel.port() == **port; });
    if (found != rings_.end()) {
      serve_ring(found->first);
    }
  }
}

void RingServer::serve_ring(DomainId domain) {
  const auto ring = rings_.find(domain);
  const Streams* streams = store_->streams(domain);
  if (streams == nullptr || streams->is_broken) {
    return;
  }
  if (!store_->is_waited_for(domain)) {
    chunk_.clear();
    if (!ring->second.bytes.read_at(streams->taken, chunk_, kReadBytes)) {
      give_up(domain, "it has asked for more than its ring holds");
      return;
    }
    store_->take_in(domain, chunk_);
  }
  store_->answer_ring(domain, messages_);
  if (server_->send(messages_)) {
    carry(domain);
  }
}

// Puts into the ring what it has room for, and gives back the room of what was asked.
void RingServer::carry(DomainId domain) {
  const auto ring = rings_.find(domain);
  const Streams* streams = store_->streams(domain);
  if (ring == rings_.end() || streams == nullptr || streams->is_broken) {
    return;
  }
  const auto waiting = streams->outbox.waiting();
  const auto begin = streams->put + static_cast<std::uint32_t>(streams->outbox.sent_of_first());
  const auto put = ring->second.bytes.write_at(begin, waiting);
  if (!put) {
    give_up(domain, "it has taken more answers than there were");
    return;
  }
  store_->said(domain, *put);
  const bool has_moved = ring->second.bytes.take_up_to(streams->taken);
  if (has_moved || *put != 0) {
    std::ignore = ring->second.channel.notify();
  }
}

void RingServer::give_up(DomainId domain, const char* why) {
  log_.warning(fmt::format("domain {} is not served any more: {}", domain, why));
  store_->break_ring(domain);
}

// The hypervisor only says that some domain has shut down, or is going.
void RingServer::look_for_ended() {
  for (const DomainId domain : store_->domains_with_rings()) {
    if (domain == 0) {
      continue;
    }
    const auto info = hypervisor_->domain_info(static_cast<xen::DomainId>(domain));
    if (info && is_gone(*info)) {
      store_->domain_gone(domain, messages_);
    } else if (info && (*info)->shutdown) {
      store_->domain_shut_down(domain, messages_);
    }
  }
  store_->queue(messages_);
  server_->send(messages_);
}

}  // namespace krata::store
