// The store on the rings of domain 0's kernel and of zones. Never blocks; what a zone does to its ring harms nobody but
// that zone.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/event/loop.h"
#include "common/event/timer.h"
#include "common/log.h"
#include "common/result.h"
#include "krata/store/ring_end.h"
#include "krata/store/server.h"
#include "krata/store/store.h"
#include "krata/xen/byte_ring.h"
#include "krata/xen/event_channel.h"
#include "krata/xen/grants.h"
#include "krata/xen/own_store.h"
#include "krata/xen/teller.h"

namespace krata::store {

// One thread, inside a Loop.
class RingServer : public Rings, public RingCarrier {
 public:
  // Opens all that it ever needs. `log` must outlive it, and is told of zones whose rings are given up. `give_away` is
  // called in the process that asks the hypervisor for this one (xen::Teller).
  static common::Result<std::unique_ptr<RingServer>> open(common::Log& log,
                                                          std::function<common::Result<void>()> give_away);
  RingServer(const RingServer&) = delete;
  RingServer& operator=(const RingServer&) = delete;
  ~RingServer() override;

  // Goes on where the store's former process stopped: connects domain 0's kernel and all domains that the store knows,
  // lets go of those that are gone, and serves from then on. `loop` must outlive this, the others all
  // that it is called for. Fails as the rings of domain 0 cannot be had, for example because another store has them.
  common::Result<void> serve(common::Loop& loop, Store& store, Server& server);

  Answer<RingPlace> connect(DomainId domain, std::uint64_t page, std::uint32_t port) override;
  void disconnect(DomainId domain) override { rings_.erase(domain); }
  [[nodiscard]] bool exists(DomainId domain) const override;
  void carry(DomainId domain) override;

  // Why the loop was stopped: the hypervisor cannot be asked any more.
  [[nodiscard]] const common::Result<void>& failure() const { return failure_; }

 private:
  struct Ring {
    xen::GrantMapping granted;  // a zone's page
    xen::Mapping own;           // domain 0's
    xen::ByteRing bytes;
    xen::EventChannel channel;
  };

  explicit RingServer(common::Log& log) : log_(log) {}
  common::Result<void> connect_domain_0();
  common::Result<Ring> open_ring(DomainId domain, xen::Port port);
  common::Result<void> reconnect(DomainId domain);
  [[nodiscard]] std::optional<xen::Life> life_of(DomainId domain) const;
  void resume(DomainId domain);
  void handle_events();
  class Port;
  void serve_ring(DomainId domain);
  void serve_unfinished();
  void look_for_ended();
  [[nodiscard]] bool is_served(DomainId domain) const;
  void report(DomainId domain, RingState state);

  common::Log& log_;
  xen::Teller teller_;
  mutable common::Result<void> failure_;
  std::unique_ptr<xen::EventDevice> events_;
  std::unique_ptr<xen::GrantDevice> grants_;
  xen::EventChannel exceptions_;
  xen::OwnStore own_;
  std::map<DomainId, Ring> rings_;
  std::set<DomainId> unfinished_;  // may have more, after the others' turn
  common::Timer turn_;
  common::Loop* loop_ = nullptr;
  common::Loop::Token token_ = 0;
  Store* store_ = nullptr;
  Server* server_ = nullptr;
  Messages messages_;
};

}  // namespace krata::store
