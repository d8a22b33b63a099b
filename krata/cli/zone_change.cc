#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "krata/cli/zone.h"
#include "krata/model/zone_json.h"

namespace krata::cli {

using common::Error;
using common::ErrorCode;
using common::list_at;
using common::object_at;
using common::Result;
using common::text_at;

namespace {

struct StopFlags : ZoneFlags {
  std::optional<std::uint32_t> patience_s;
  bool all = false;
  bool until_restart = false;
};

struct UpdateFlags : ZoneFlags {
  std::optional<std::uint32_t> cpus;
  std::optional<std::string> memory;
  std::optional<std::uint32_t> weight;
  std::optional<std::uint32_t> cap;
};

Result<void> await_end(const std::string& socket, const std::string& zone) {
  KRAIT_TRY(auto conversation, control::Conversation::open(socket, {.ask = control::Ask::wait, .zone = zone}));
  KRAIT_TRY(const auto json, conversation.next());
  return json ? Result<void>()
              : Error(ErrorCode::unavailable, "kratad has ended; what it was told goes on when it is back");
}

Result<void> begin_stop(const StopFlags& flags, const std::string& zone) {
  KRAIT_CHECK(control::ask(
      flags.socket,
      {.ask = control::Ask::stop, .zone = zone, .patience_s = flags.patience_s, .until_restart = flags.until_restart}));
  return {};
}

Result<void> stop_one(const StopFlags& flags, Output& output) {
  KRAIT_CHECK(begin_stop(flags, flags.zone));
  KRAIT_CHECK(await_end(flags.socket, flags.zone));
  KRAIT_TRY(const auto answer, control::ask(flags.socket, {.ask = control::Ask::zone, .zone = flags.zone}));
  output.report(zone_line(object_at(answer, "zone")), answer);
  return {};
}

// All have their time at once, those that were launched last the first to begin. What is gone meanwhile is as good as
// stopped; whatever else fails with one keeps no other from its end.
Result<void> stop_all(const StopFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, control::ask(flags.socket, {.ask = control::Ask::zones}));
  const std::vector<std::string> ids = ids_to_stop(list_at(answer, "zones"));
  Result<void> all;
  const auto note = [&all](Result<void> done) {
    if (!done && done.error().code() != ErrorCode::not_found && all) {
      all = std::move(done);
    }
  };
  for (const std::string& id : ids) {
    note(begin_stop(flags, id));
  }
  std::string text;
  common::Json stopped = common::Json::array();
  for (const std::string& id : ids) {
    note(await_end(flags.socket, id));
    if (const auto zone = control::ask(flags.socket, {.ask = control::Ask::zone, .zone = id})) {
      text += (text.empty() ? "" : "\n") + zone_line(object_at(*zone, "zone"));
      stopped.push_back(object_at(*zone, "zone"));
    }
  }
  output.report(text.empty() ? "no zone runs" : text,
                {{"version", common::kAnswerVersion}, {"zones", std::move(stopped)}});
  return all;
}

Result<void> stop(const StopFlags& flags, Output& output) {
  if (flags.all == !flags.zone.empty()) {
    return Error(ErrorCode::invalid_input, "name a zone, or say --all");
  }
  return flags.all ? stop_all(flags, output) : stop_one(flags, output);
}

Result<void> start(const ZoneFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, control::ask(flags.socket, {.ask = control::Ask::start, .zone = flags.zone}));
  const common::Json& zone = object_at(answer, "zone");
  output.report(text_at(zone, "name") + "  " + text_at(zone, "state"), answer);  // how its former run ended is past
  return {};
}

Result<void> destroy(const ZoneFlags& flags, Output& output) {
  KRAIT_TRY(auto conversation,
            control::Conversation::open(flags.socket, {.ask = control::Ask::destroy, .zone = flags.zone}));
  KRAIT_TRY(const auto json, conversation.next());
  if (!json) {
    return Error(ErrorCode::unavailable, "kratad has ended; it destroys the zone when it is back");
  }
  output.report(flags.zone + "  gone", *json);
  return {};
}

Result<void> update(const UpdateFlags& flags, Output& output) {
  control::Request request{.ask = control::Ask::update, .zone = flags.zone};
  const auto add = [&request](const char* key, const std::optional<std::uint32_t>& value) {
    if (value) {
      request.resources[key] = *value;
    }
  };
  add("cpus", flags.cpus);
  add("weight", flags.weight);
  add("cap", flags.cap);
  if (flags.memory) {
    KRAIT_TRY(request.resources["memory_mib"], model::parse_memory(*flags.memory));
  }
  if (request.resources.empty()) {
    return Error(ErrorCode::invalid_input, "say what to change: --memory, --cpus, --weight or --cap");
  }
  KRAIT_TRY(const auto answer, control::ask(flags.socket, request));
  output.report(zone_line(object_at(answer, "zone")), answer);
  return {};
}

}  // namespace

std::vector<std::string> ids_to_stop(const common::Json& zones) {
  std::vector<std::string> ids;
  for (const common::Json& zone : zones) {
    if (const std::string state = text_at(zone, "state"); state != "ended" && state != "removing") {
      ids.insert(ids.begin(), text_at(zone, "id"));
    }
  }
  return ids;
}

void add_zone_change(Shell& shell, Command group) {
  auto started = std::make_shared<ZoneFlags>();
  Command command =
      shell.command(group, "start", "Start a zone again that has ended",
                    "With the image, disks and limits that the zone has; its log goes on. Returns at once, as launch\n"
                    "does. One that fails and is to be started again in a while is started now.\n"
                    "Example:  krata zone start web");
  add_zone_argument(command, *started);
  add_socket_flag(command, *started);
  shell.on(command, [started](Output& output) { return start(*started, output); });

  auto stopped = std::make_shared<StopFlags>();
  command =
      shell.command(group, "stop", "End a zone's container, and keep its logs",
                    "Sends the image's stop signal and waits; then the zone is ended anyhow. With --until-restart it\n"
                    "is started again with kratad, if it was launched with --restart on-failure: a host that shuts\n"
                    "down stops all zones so.\n"
                    "Example:  krata zone stop --patience 30 web");
  command.option("ZONE", stopped->zone, "Its name or id");
  command.option("--patience", stopped->patience_s, "Seconds to wait for the container; 10");
  command.flag("--all", stopped->all, "All zones, at the same time");
  command.flag("--until-restart", stopped->until_restart, "Until kratad's next start");
  add_socket_flag(command, *stopped);
  shell.on(command, [stopped](Output& output) { return stop(*stopped, output); });

  auto destroyed = std::make_shared<ZoneFlags>();
  command = shell.command(group, "destroy", "End a zone at once, and remove all of it",
                          "Its logs and its end go too; its disks' files stay.\nExample:  krata zone destroy web");
  add_zone_argument(command, *destroyed);
  add_socket_flag(command, *destroyed);
  shell.on(command, [destroyed](Output& output) { return destroy(*destroyed, output); });

  auto updated = std::make_shared<UpdateFlags>();
  command = shell.command(
      group, "update", "Change what a zone may use",
      "Memory and CPUs up to what the zone was started with take effect at once, as do weight and cap; more\n"
      "than that at its next start.\n"
      "Example:  krata zone update --memory 128M --cap 50 web");
  add_zone_argument(command, *updated);
  command.option("--cpus", updated->cpus, "How many CPUs");
  command.option("--memory", updated->memory, "How much memory: 256M, 2G");
  command.option("--weight", updated->weight, "Its share of CPU time against other zones', which have 256");
  command.option("--cap", updated->cap, "Per cent of one CPU at most; 0: no limit");
  add_socket_flag(command, *updated);
  shell.on(command, [updated](Output& output) { return update(*updated, output); });
}

}  // namespace krata::cli
