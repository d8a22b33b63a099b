#include <net/if.h>
#include <unistd.h>

#include <array>
#include <string>

#include "common/clock.h"
#include "common/json.h"
#include "krait/control/client.h"
#include "krait/datapath/events.h"
#include "krait/inspect/event_text.h"
#include "krait/inspect/inspect.h"
#include "krait/rundir/bpffs.h"

namespace krait::inspect {

using cli::Output;
using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

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

}  // namespace

Result<void> events(const cli::EventsFlags& flags, Output& output) {
  if (::geteuid() != 0) {
    return Error(ErrorCode::permission, "only root may read the events; run it with sudo");
  }
  KRAIT_TRY(auto rules, control::ask(flags.socket, control::Request::rules));
  KRAIT_TRY(auto reader, datapath::EventReader::open(rundir::kBpffs, common::text_at(rules, "interface")));
  Reporter reporter(flags.socket, std::move(rules));
  do {
    KRAIT_TRY(auto read, reader.read(flags.follow ? -1 : 0));
    reporter.report(read, output);
    if (!output.finish()) {
      return Error(ErrorCode::system, "nobody reads the events any more");
    }
  } while (flags.follow);
  return {};
}

}  // namespace krait::inspect
