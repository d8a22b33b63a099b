#include <net/if.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>

#include "common/clock.h"
#include "common/json.h"
#include "krait/cli/command.h"
#include "krait/cli/event_text.h"
#include "krait/control/client.h"
#include "krait/datapath/bpffs.h"
#include "krait/datapath/events.h"

namespace krait::cli {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct Flags {
  std::string socket = control::kDefaultSocket;
  bool follow = false;
};

// Packets may be reported that a policy judged which has come into force since.
class Reporter {
 public:
  Reporter(std::string socket, Json rules) : socket_(std::move(socket)), names_(rules), revision_(rules["revision"]) {}

  void report(const std::vector<krait_event>& events, Output& output) {
    if (events.empty()) {
      return;
    }
    if (auto rules = control::ask(socket_, control::Request::rules); rules && (*rules)["revision"] != revision_) {
      names_ = EventNames(*rules);
      revision_ = (*rules)["revision"];
    }
    for (const krait_event& event : events) {
      Json json = event_json(event, names_, common::now());
      std::array<char, IF_NAMESIZE> name{};
      json["interface"] = ::if_indextoname(event.interface, name.data()) != nullptr ? Json(name.data()) : Json();
      output.report(output.json() ? "" : event_text(json), json);
    }
  }

 private:
  std::string socket_;
  EventNames names_;
  Json revision_;
};

Result<void> events(const Flags& flags, Output& output) {
  if (::geteuid() != 0) {
    return Error(ErrorCode::permission, "only root may read the events; run it with sudo");
  }
  auto rules = control::ask(flags.socket, control::Request::rules);
  if (!rules) {
    return rules.error();
  }
  auto reader = datapath::EventReader::open(datapath::kBpffs, common::text_at(*rules, "interface"));
  if (!reader) {
    return reader.error();
  }
  Reporter reporter(flags.socket, std::move(*rules));
  do {
    auto read = reader->read(flags.follow ? -1 : 0);
    if (!read) {
      return read.error();
    }
    reporter.report(*read, output);
    if (!output.finish()) {
      return Error(ErrorCode::system, "nobody reads the events any more");
    }
  } while (flags.follow);
  return {};
}

}  // namespace

void add_events(Shell& shell) {
  auto flags = std::make_shared<Flags>();
  Command command = shell.command(
      "events", "Show dropped packets, and what rules with log = true opened",
      "A sample: at most 16 a second for each drop reason and CPU. Each is shown once, the oldest that the\n"
      "kernel still has first. Needs root.\n"
      "Example:  sudo krait events --follow");
  command.flag("-f,--follow", flags->follow, "Go on until interrupted");
  add_socket_flag(command, flags->socket);
  shell.on(command, [flags](Output& output) { return events(*flags, output); });
}

}  // namespace krait::cli
