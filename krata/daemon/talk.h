// Connections that last: somebody watches, waits, reads logs, or speaks with a container.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/event/line_stream.h"
#include "common/result.h"
#include "krata/control/protocol.h"
#include "krata/daemon/daemon.h"
#include "krata/daemon/zone.h"

namespace krata::daemon {

// One of them. The daemon outlives it; a zone that goes tells it so.
class Talk : public ZoneListener {
 public:
  Talk(Daemon& daemon, Zone* zone);
  Talk(const Talk&) = delete;
  Talk& operator=(const Talk&) = delete;
  ~Talk() override;

  // `over` is called from the loop, and destroys this.
  common::Result<void> open(common::Fd connection, std::string input, std::function<void()> over);

  void heard(const channel::Event& /*event*/) override {}
  void changed() override {}
  void gone() override;

 protected:
  virtual void begin() = 0;
  virtual void take(std::string_view /*line*/) {}  // of the client's
  virtual void drained() {}
  virtual void zone_is_gone() {}

  void say(const control::Json& json) { stream_->send(common::json_line(json)); }
  // The last line.
  void end(const control::Json& json);
  [[nodiscard]] common::LineStream& stream() { return *stream_; }
  [[nodiscard]] Daemon& daemon() { return daemon_; }
  [[nodiscard]] Zone* zone() { return zone_; }
  [[nodiscard]] bool has_ended() const { return has_ended_; }

 private:
  Daemon& daemon_;
  Zone* zone_;
  std::unique_ptr<common::LineStream> stream_;
  bool has_ended_ = false;
};

// What the request turns its connection into. `zone`: null for those that are about all.
std::unique_ptr<Talk> make_talk(Daemon& daemon, Zone* zone, const control::Request& request,
                                control::Disclosure disclosure);

// Whether a request's connection becomes one.
bool is_talk(control::Ask ask);

}  // namespace krata::daemon
