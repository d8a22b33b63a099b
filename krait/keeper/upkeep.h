// Looks after the interface while the agent runs: at once when the kernel tells that something changed, and once a
// minute for what it tells nothing about. Sleeps otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "common/event/loop.h"
#include "common/event/timer.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/netlink/watch.h"
#include "common/result.h"
#include "krait/enforce/enforcer.h"
#include "krait/keeper/endpoint_keeper.h"

namespace krait::keeper {

// One thread, inside a Loop. Everything that it refers to outlives it.
class Upkeep {
 public:
  static common::Result<std::unique_ptr<Upkeep>> start(common::Loop& loop, enforce::Enforcer& enforcer,
                                                       EndpointKeeper& endpoints, common::Log& log);

  // To be called whenever files were put in force. For ten minutes from then on a peer that goes over to a key which
  // these announce is noticed within a quarter of a second, later within the minute. An interface that is only guarded
  // is looked at: what others gave it may not be what these files say.
  void on_files();
  // Lets expiries follow the clock, and tells once what is wrong with it. To be called when it was set.
  void follow_clock();

  Upkeep(const Upkeep&) = delete;
  Upkeep& operator=(const Upkeep&) = delete;
  ~Upkeep();

 private:
  Upkeep(common::Loop& loop, enforce::Enforcer& enforcer, EndpointKeeper& endpoints, common::Log& log,
         netlink::Watch watch)
      : loop_(loop), enforcer_(enforcer), endpoints_(endpoints), log_(log), watch_(std::move(watch)) {}

  common::Result<void> watch_everything();
  netlink::Noticed read_changes();
  void on_change();
  void on_rested();
  void on_mounts();
  void on_minute();
  void on_glance();
  void await_peers_keys();
  void fit_mtu();
  bool follow_network();  // true: there is something for inspect() to tell
  void inspect();
  void report(const std::vector<control::Fault>& faults);  // those that are new

  common::Loop& loop_;
  enforce::Enforcer& enforcer_;
  EndpointKeeper& endpoints_;
  common::Log& log_;
  netlink::Watch watch_;
  common::Fd mounts_;  // /proc/self/mountinfo
  common::Timer minute_;
  common::Timer rest_;
  common::Timer glance_;
  unsigned glances_left_ = 0;
  std::vector<common::Loop::Token> tokens_;
  common::Loop::Token watch_token_ = 0;
  std::optional<netlink::NewHome> moved_to_;  // the interface is in another network namespace
  std::vector<control::Fault> reported_;
  std::vector<control::Fault> reported_time_;
  unsigned minutes_ = 0;  // since the time was written down
};

}  // namespace krait::keeper
