// What the zone's first process does once the container's root is there: runs the container and what the host wants run
// beside it, reaps, and tells the host.
#pragma once

#include <chrono>
#include <csignal>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/event/loop.h"
#include "common/event/timer.h"
#include "common/fd.h"
#include "common/result.h"
#include "krata/bundle/bundle.h"
#include "krata/channel/zone_channel.h"
#include "krata/init/machine.h"
#include "krata/init/session.h"

namespace krata::init {

// How long a zone whose container has ended waits for a host that does not answer: it may be about to start anew.
inline constexpr std::chrono::seconds kHostPatience{60};

// Single-threaded. To be made by the process that its children's orphans come to.
class Zone {
 public:
  // `link` leads to the host and never blocks. The machine outlives the zone.
  static common::Result<std::unique_ptr<Zone>> create(common::Fd link, Machine& machine);
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;

  // Runs the bundle's process to its end, until the host knows how it ended.
  common::Result<void> run(const bundle::Bundle& bundle);
  // Tells the host why there is no container, until it knows.
  common::Result<void> refuse(const common::Error& why);

 private:
  Zone(common::Fd link, Machine& machine) : link_(std::move(link)), machine_(machine) {}

  common::Result<void> watch();
  common::Result<void> wait();
  void turn();
  bool read_link();
  void write_link();
  void handle(const channel::zone::Event& event);
  void start(const channel::zone::Start& start);
  void reap();
  channel::Exit exit_of(const Session& session, int status);
  void note_end(pid_t pid, int status);
  void end_container();
  void end_sessions_of_former_host();
  void pump_sessions();
  void take_input(const channel::zone::Input& input);
  void leave_if_over();
  Session* find(channel::SessionId id);
  template <typename Call>
  void with(channel::SessionId id, const Call& call) {
    if (Session* const session = find(id)) {
      call(*session);
    }
  }

  common::Fd link_;
  Machine& machine_;
  std::unique_ptr<common::Loop> loop_;
  std::optional<common::Signals> signals_;
  common::Timer patience_;
  common::Loop::Token link_token_ = 0;
  bool link_wants_out_ = false;
  bool link_lost_ = false;
  bool again_ = false;
  channel::zone::ZoneChannel channel_;
  std::map<channel::SessionId, std::unique_ptr<Session>> sessions_;
  std::string hostname_;
  int stop_signal_ = SIGTERM;
  std::uint64_t kills_before_ = 0;
  bool ended_ = false;
};

}  // namespace krata::init
