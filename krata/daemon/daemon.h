// All zones of the host.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/event/timer.h"
#include "common/result.h"
#include "krata/control/view.h"
#include "krata/daemon/host.h"
#include "krata/daemon/zone.h"

namespace krata::daemon {

// Who is told of every zone.
class DaemonListener {
 public:
  virtual ~DaemonListener() = default;
  virtual void zone_changed(const Zone& zone) = 0;
  virtual void zone_gone(const Zone& zone) = 0;
};

// One thread, inside the host's loop. The host outlives it.
class Daemon {
 public:
  // Takes up what the state says there is.
  static common::Result<std::unique_ptr<Daemon>> start(Host& host);
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon();

  common::Result<Zone*> launch(model::ZoneSpec spec);
  // One that has ended, as launch() and Zone::start() do.
  common::Result<void> start(Zone& zone);
  common::Result<Zone*> find(std::string_view name_or_id);  // not_found
  // With what they use now.
  [[nodiscard]] std::vector<control::ZoneView> views();
  void refresh() { look_at_all(); }

  void add(DaemonListener& listener) { listeners_.insert(&listener); }
  void remove(DaemonListener& listener) { listeners_.erase(&listener); }
  [[nodiscard]] const std::map<model::ZoneId, std::unique_ptr<Zone>>& zones() const { return zones_; }
  [[nodiscard]] Host& host() { return host_; }

 private:
  class Teller;

  explicit Daemon(Host& host);
  common::Result<void> take_up();
  Zone* add_zone(model::ZoneRecord record);
  void look_at_all();
  void drop(const model::ZoneId& id);
  [[nodiscard]] std::vector<const model::ZoneRecord*> records_beside(const Zone* zone) const;

  Host& host_;
  common::Timer timer_;
  std::uint64_t watch_ = 0;
  std::map<model::ZoneId, std::unique_ptr<Zone>> zones_;
  std::map<model::ZoneId, std::unique_ptr<Teller>> tellers_;
  std::set<DaemonListener*> listeners_;
};

}  // namespace krata::daemon
