// What every zone's work needs of the host. All of it outlives the zones.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/event/loop.h"
#include "common/event/timer.h"
#include "common/log.h"
#include "common/result.h"
#include "krata/daemon/known_images.h"
#include "krata/daemon/paths.h"
#include "krata/reconcile/start_queue.h"
#include "krata/state/state.h"
#include "krata/store/client.h"
#include "krata/xen/event_channel.h"
#include "krata/xen/grants.h"
#include "krata/xen/host.h"
#include "krata/xen/hypervisor.h"

namespace krata::daemon {

// Tells who owns a port that it had an event. One thread, inside a Loop that outlives it.
class Events {
 public:
  static common::Result<std::unique_ptr<Events>> serve(common::Loop& loop, std::unique_ptr<xen::EventDevice> device);
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  ~Events();

  // `handler` is called until forget(), which must come before the channel ends.
  common::Result<xen::EventChannel> bind(xen::DomainId domain, xen::Port port, std::function<void()> handler);
  void forget(const xen::EventChannel& channel) { handlers_.erase(channel.port()); }

 private:
  Events(common::Loop& loop, std::unique_ptr<xen::EventDevice> device) : loop_(loop), device_(std::move(device)) {}
  void dispatch();

  common::Loop& loop_;
  common::Loop::Token token_ = 0;
  std::unique_ptr<xen::EventDevice> device_;
  std::map<xen::Port, std::shared_ptr<std::function<void()>>> handlers_;
};

// Xenstore, and who wants to know of which path. The same.
class Watches {
 public:
  static common::Result<std::unique_ptr<Watches>> open(common::Loop& loop, const std::string& socket);
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;
  ~Watches();

  [[nodiscard]] store::StoreClient& store() { return *client_; }
  // Called once at the beginning, and after each change.
  common::Result<std::uint64_t> add(const std::string& path, std::function<void()> handler);
  void remove(std::uint64_t watch);
  // Events that came while an answer was waited for are told too.
  void dispatch();

 private:
  struct Watch {
    std::string path;
    std::shared_ptr<std::function<void()>> handler;
  };
  Watches(common::Loop& loop, std::unique_ptr<store::StoreClient> client) : loop_(loop), client_(std::move(client)) {}
  std::optional<std::set<std::uint64_t>> take_changed();  // nothing: the store has ended

  common::Loop& loop_;
  common::Loop::Token token_ = 0;
  std::unique_ptr<store::StoreClient> client_;
  std::map<std::uint64_t, Watch> watches_;
  std::uint64_t next_ = 1;
  common::Timer again_;
};

struct Host {
  common::Loop& loop;
  common::Log& log;
  const Paths& paths;
  state::State& state;
  xen::Hypervisor& hypervisor;
  xen::Host& machine;
  xen::GrantDevice& grants;
  Events& events;
  Watches& watches;
  KnownImages& images;
  reconcile::StartQueue& starts;
};

}  // namespace krata::daemon
