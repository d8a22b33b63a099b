#include "krata/daemon/daemon.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "krata/daemon/shared_disks.h"
#include "krata/model/limits.h"

namespace krata::daemon {

using common::Error;
using common::ErrorCode;
using common::Result;

// Passes one zone's changes on to those who want to know of all.
class Daemon::Teller final : public ZoneListener {
 public:
  Teller(Daemon& daemon, Zone& zone) : daemon_(daemon), zone_(zone) { zone_.add(*this); }

  void heard(const channel::Event& /*event*/) override {}
  void changed() override {
    const auto listeners = daemon_.listeners_;
    for (DaemonListener* listener : listeners) {
      if (daemon_.listeners_.contains(listener)) {
        listener->zone_changed(zone_);
      }
    }
  }
  void gone() override {
    const auto listeners = daemon_.listeners_;
    for (DaemonListener* listener : listeners) {
      if (daemon_.listeners_.contains(listener)) {
        listener->zone_gone(zone_);
      }
    }
  }

 private:
  Daemon& daemon_;
  Zone& zone_;
};

Result<std::unique_ptr<Daemon>> Daemon::start(Host& host) {
  std::unique_ptr<Daemon> daemon(new Daemon(host));
  KRAIT_CHECK(daemon->take_up());
  return daemon;
}

Daemon::Daemon(Host& host) : host_(host) {}

Daemon::~Daemon() { host_.watches.remove(watch_); }

Result<void> Daemon::take_up() {
  KRAIT_TRY(timer_, common::Timer::create(host_.loop, [this] { look_at_all(); }));
  KRAIT_TRY(auto records, host_.state.zones());
  for (model::ZoneRecord& record : records) {
    add_zone(std::move(record));
  }
  KRAIT_TRY(watch_, host_.watches.add("@releaseDomain", [this] { timer_.after(std::chrono::nanoseconds(0)); }));
  return {};
}

Zone* Daemon::add_zone(model::ZoneRecord record) {
  const model::ZoneId id = record.id;
  auto zone = std::make_unique<Zone>(host_, std::move(record), [this] { timer_.after(std::chrono::nanoseconds(0)); });
  Zone* added = zone.get();
  zones_[id] = std::move(zone);
  tellers_[id] = std::make_unique<Teller>(*this, *added);
  timer_.after(std::chrono::nanoseconds(0));
  return added;
}

void Daemon::drop(const model::ZoneId& id) {
  const auto found = zones_.find(id);
  host_.log.info(fmt::format("zone {} is gone", found->second->record().spec.name));
  found->second->tell_gone();
  tellers_.erase(id);
  zones_.erase(id);
}

void Daemon::look_at_all() {
  const auto domains = host_.hypervisor.domains();
  if (!domains) {
    host_.log.error("look at the domains: " + domains.error().text());
    timer_.after(std::chrono::seconds(1));
    return;
  }
  std::vector<model::ZoneId> over;
  for (const auto& [id, zone] : zones_) {
    if (!zone->look(*domains)) {
      over.push_back(id);
    }
  }
  for (const model::ZoneId& id : over) {
    drop(id);
  }
  host_.watches.dispatch();
}

std::vector<const model::ZoneRecord*> Daemon::records_beside(const Zone* zone) const {
  std::vector<const model::ZoneRecord*> others;
  others.reserve(zones_.size());
  for (const auto& [id, other] : zones_) {
    if (other.get() != zone && other->has_disks()) {
      others.push_back(&other->record());
    }
  }
  return others;
}

Result<void> Daemon::start(Zone& zone) {
  KRAIT_CHECK(check_disks_apart(zone.record().spec, records_beside(&zone)));
  return zone.start();
}

Result<Zone*> Daemon::launch(model::ZoneSpec spec) {
  if (zones_.size() >= model::limits::kZones) {
    return Error(ErrorCode::limit, fmt::format("this host has {} zones; destroy some first", zones_.size()));
  }
  KRAIT_CHECK(check_disks_apart(spec, records_beside(nullptr)));
  std::array<std::uint8_t, 16> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    return Error::from_errno(errno, "find an id");
  }
  model::ZoneRecord record;
  record.id = model::ZoneId::of_random(random);
  record.spec = std::move(spec);
  record.created_s = std::time(nullptr);
  KRAIT_CHECK(host_.state.add(record));
  host_.log.info(fmt::format("zone {} is to run {}", record.spec.name, record.spec.image));
  return add_zone(std::move(record));
}

Result<Zone*> Daemon::find(std::string_view name_or_id) {
  const auto found = std::ranges::find_if(zones_, [&](const auto& entry) {
    return entry.second->record().spec.name == name_or_id || entry.first.text() == name_or_id;
  });
  if (found == zones_.end()) {
    return Error(ErrorCode::not_found,
                 fmt::format("no zone is called {}; see krata zone list", name_or_id.substr(0, 64)));
  }
  return found->second.get();
}

std::vector<control::ZoneView> Daemon::views() {
  look_at_all();
  std::vector<control::ZoneView> list;
  list.reserve(zones_.size());
  for (const auto& [id, zone] : zones_) {
    list.push_back(zone->view_with_disks());
  }
  std::ranges::sort(list, {},
                    [](const control::ZoneView& view) { return std::pair(view.record.created_s, view.record.id); });
  return list;
}

}  // namespace krata::daemon
