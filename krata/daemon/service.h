// Answers the control socket and the metrics page.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/event/peer_credentials.h"
#include "common/event/shared_text.h"
#include "common/event/stream_server.h"
#include "common/result.h"
#include "krata/control/protocol.h"
#include "krata/daemon/daemon.h"
#include "krata/daemon/talk.h"

namespace krata::daemon {

// One thread, inside the daemon's loop. The daemon outlives it.
class Service {
 public:
  static common::Result<std::unique_ptr<Service>> create(Daemon& daemon, const common::Rights& rights);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  std::optional<common::Answer> on_control(std::string_view input, const common::Client& client);
  std::optional<common::Answer> on_http(std::string_view input);

 private:
  Service(Daemon& daemon, const common::Rights& rights) : daemon_(daemon), rights_(rights) {}
  common::Answer answer(std::string_view line, const common::Client& client);
  common::Result<control::Json> answer_once(const control::Request& request, control::Disclosure disclosure);
  common::Result<control::Json> answer_zone(const control::Request& request, Zone& zone,
                                            control::Disclosure disclosure);
  common::Answer hand_over(control::Request request, control::Disclosure disclosure);
  void begin_talk(const control::Request& request, control::Disclosure disclosure, common::Fd connection,
                  std::string input);

  Daemon& daemon_;
  const common::Rights& rights_;
  std::unique_ptr<common::SharedText> metrics_;
  std::map<std::uint64_t, std::unique_ptr<Talk>> talks_;
  std::uint64_t next_talk_ = 1;
};

inline constexpr std::size_t kMaxTalks = 512;  // at a time

}  // namespace krata::daemon
