// One zone: looks at what there is of it, decides by krata/reconcile what is next, and carries it out.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "common/event/timer.h"
#include "common/result.h"
#include "krata/console/log_file.h"
#include "krata/control/view.h"
#include "krata/daemon/channel_link.h"
#include "krata/daemon/console_link.h"
#include "krata/daemon/devices.h"
#include "krata/daemon/disk_server.h"
#include "krata/daemon/host.h"
#include "krata/daemon/root_maker.h"
#include "krata/model/zone.h"
#include "krata/reconcile/reconcile.h"

namespace krata::daemon {

// Who passes on what a zone's processes say. All calls come from the loop.
class ZoneListener {
 public:
  virtual ~ZoneListener() = default;
  virtual void heard(const channel::Event& event) = 0;  // of any session; the container's output after it was logged
  virtual void changed() = 0;                           // the view may be another one
  virtual void gone() = 0;                              // nothing is left of the zone; the last call
};

// One thread. The host outlives it.
class Zone final : public reconcile::StepPort {
 public:
  // `wake`: look() is wanted, soon.
  Zone(Host& host, model::ZoneRecord record, std::function<void()> wake);
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;
  ~Zone() override;

  // Does what is next. `domains`: all that there are. False: there is nothing left of the zone, and it is to go.
  bool look(std::span<const xen::DomainInfo> domains);

  [[nodiscard]] const model::ZoneRecord& record() const { return record_; }
  [[nodiscard]] control::ZoneView view() const;
  // With what its disks have done: reads files.
  [[nodiscard]] control::ZoneView view_with_disks() const;
  [[nodiscard]] control::ZoneState state() const;
  // Whether its disks are its own: something of it is there, or it may run again by itself, be it when this process is
  // followed by another one.
  [[nodiscard]] bool has_disks() const;
  [[nodiscard]] std::string log_path() const { return folder() + "/log"; }
  [[nodiscard]] std::string kernel_log_path() const { return folder() + "/console"; }
  // Nothing: the zone cannot be spoken to now.
  [[nodiscard]] ChannelLink* channel() { return channel_.get(); }

  // Its container once more. Fails with invalid_input where it runs, or is to go, and with unavailable where it has yet
  // to end.
  common::Result<void> start();
  common::Result<void> stop(std::chrono::seconds patience);
  // Likewise, and nothing starts it again while this process runs; to run stays the zone's goal, for the next one.
  void hold(std::chrono::seconds patience);
  common::Result<void> forget();
  common::Result<void> update(const model::Resources& resources);

  void add(ZoneListener& listener) { listeners_.insert(&listener); }
  void remove(ZoneListener& listener) { listeners_.erase(&listener); }
  // Before the end of a zone of which nothing is left.
  void tell_gone();

  common::Result<reconcile::Progress> carry_out(reconcile::Step step) override;

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] std::string folder() const { return host_.paths.zone(record_.id); }
  [[nodiscard]] std::string bundle_path() const { return folder() + "/bundle"; }
  reconcile::Observed observe(std::span<const xen::DomainInfo> domains);
  void find_domain(std::span<const xen::DomainInfo> domains, reconcile::Observed& observed);
  bool take(const reconcile::Observed& observed, const reconcile::Outcome& outcome);
  void fail(const reconcile::Observed& observed, const reconcile::FailedStep& failed);
  void again_after(std::chrono::milliseconds delay);
  void wait_for_next();
  void tell_change();
  common::Result<void> save(const model::ZoneRecord& record);

  common::Result<reconcile::Progress> make_root();
  common::Result<void> make_bundle();
  common::Result<void> build();
  common::Result<void> note_built();
  common::Result<void> add_devices();
  common::Result<void> serve_disks();
  common::Result<void> hear();
  common::Result<void> unpause();
  common::Result<void> drain();
  common::Result<void> note_end();
  common::Result<void> destroy();
  common::Result<void> remove_devices();
  common::Result<void> begin_again();
  [[nodiscard]] bool has_devices();
  [[nodiscard]] model::End end_now() const;
  [[nodiscard]] std::vector<Disk> disks() const;
  [[nodiscard]] model::Goal goal() const;  // now
  [[nodiscard]] std::optional<std::int64_t> restart_at_s() const;
  [[nodiscard]] bool is_restart_due() const;
  [[nodiscard]] bool wants_to_run() const;
  [[nodiscard]] bool may_start(const reconcile::Observed& observed);
  void give_place_up();
  bool is_on_its_way();
  void on_channel(const channel::Event& event);
  void end_input_of_nobody();
  void log_output(const channel::Output& output);
  bool flush_log();
  void on_end(model::End end);
  void keep_end();
  void be_patient(std::chrono::seconds patience);
  void ask_to_stop();
  common::Result<void> apply(const model::Resources& resources);

  Host& host_;
  model::ZoneRecord record_;
  std::function<void()> wake_;
  common::Timer timer_;
  std::set<ZoneListener*> listeners_;
  std::unique_ptr<RootMaker> root_maker_;
  std::unique_ptr<DiskServer> disk_server_;
  std::unique_ptr<ConsoleLink> console_;
  std::unique_ptr<ChannelLink> channel_;
  std::optional<console::LogFile> log_;
  std::optional<console::LineMaker> lines_;
  std::vector<console::Line> waiting_lines_;  // for room on the disk
  std::optional<model::End> pending_end_;     // that was not written down yet
  std::uint64_t logged_offset_ = 0;           // of the container's output, in whole lines
  std::optional<xen::DomainInfo> domain_;     // as it was looked at last
  bool is_container_running_ = false;
  std::optional<reconcile::Start> start_;  // of a zone that has a place among those that start
  bool was_asked_ = false;
  bool is_held_ = false;
  bool has_given_up_ = false;
  std::string failure_;      // why it was given up, or what is tried again
  int failures_ = 0;         // in a row
  std::string noted_;        // what failed beside the last steps
  bool is_waiting_ = false;  // for a time at which to look again
  std::chrono::seconds patience_{10};
  Clock::time_point patience_end_{};
  std::optional<Clock::time_point> overdue_at_;
  std::optional<bool> has_devices_;
  std::optional<control::ZoneView> told_;
};

}  // namespace krata::daemon
