#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "krata/cli/table.h"
#include "krata/cli/zone.h"

namespace krata::cli {

using common::Error;
using common::ErrorCode;
using common::list_at;
using common::number_at;
using common::object_at;
using common::Result;
using common::text_at;

namespace {

std::string time_text(const common::Json& zone, const char* key) {
  const auto found = common::find_number(zone, key);
  return found ? fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(static_cast<std::time_t>(*found))) : "-";
}

std::string memory_text(const common::Json& zone) {
  return fmt::format("{}M", number_at(object_at(zone, "spec"), "memory_mib"));
}

std::string list_text(const common::Json& zones) {
  if (zones.empty()) {
    return "no zones; krata zone launch makes one";
  }
  Rows rows{{"NAME", "STATE", "IMAGE", "CPUS", "MEMORY", "END"}};
  for (const common::Json& zone : zones) {
    const common::Json& spec = object_at(zone, "spec");
    const common::Json& end = object_at(zone, "end");
    const std::string note = text_at(zone, "note");
    rows.push_back({text_at(zone, "name"), text_at(zone, "state"), text_at(spec, "image"),
                    std::to_string(number_at(spec, "cpus")), memory_text(zone), end.empty() ? note : end_text(end)});
  }
  return table_text(rows);
}

std::string show_text(const common::Json& zone) {
  const common::Json& spec = object_at(zone, "spec");
  std::string text =
      fmt::format("{}\n  id {}\n  state {}", text_at(zone, "name"), text_at(zone, "id"), text_at(zone, "state"));
  const auto add = [&text](std::string_view what, const std::string& value) {
    if (!value.empty()) {
      text += fmt::format("\n  {} {}", what, value);
    }
  };
  add("note", text_at(zone, "note"));
  add("image", text_at(spec, "image"));
  add("manifest", text_at(zone, "image_digest"));
  add("kernel", text_at(spec, "kernel"));
  text += fmt::format("\n  cpus {}, memory {}, weight {}, cap {}", number_at(spec, "cpus"), memory_text(zone),
                      number_at(spec, "weight"), number_at(spec, "cap"));
  add("created", time_text(zone, "created_s"));
  add("started", time_text(zone, "started_s"));
  add("ended", time_text(zone, "ended_s"));
  if (const common::Json& end = object_at(zone, "end"); !end.empty()) {
    add("end", end_text(end));
  }
  for (const common::Json& disk : list_at(spec, "disks")) {
    add("disk", text_at(disk, "file") + " at " + text_at(disk, "mount"));
  }
  return text;
}

Result<void> list(const ZoneFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, control::ask(flags.socket, {.ask = control::Ask::zones}));
  output.report(list_text(list_at(answer, "zones")), answer);
  return {};
}

Result<void> show(const ZoneFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, control::ask(flags.socket, {.ask = control::Ask::zone, .zone = flags.zone}));
  output.report(show_text(object_at(answer, "zone")), answer);
  return {};
}

Result<void> watch(const ZoneFlags& flags, Output& output) {
  KRAIT_TRY(auto conversation, control::Conversation::open(flags.socket, {.ask = control::Ask::watch}));
  for (;;) {
    KRAIT_TRY(const auto json, conversation.next());
    if (!json) {
      return Error(ErrorCode::unavailable, "kratad has ended; the zones go on without it");
    }
    const common::Json& zone = object_at(*json, "zone");
    output.report(zone.empty() ? text_at(*json, "gone") + "  gone" : zone_line(zone), *json);
    if (!output.finish()) {
      return {};
    }
  }
}

struct TopFlags : ZoneFlags {
  bool once = false;
};

using CpuTimes = std::map<std::string, std::uint64_t>;

// What each used since `before`, `seconds` ago.
common::Json top_json(const common::Json& zones, const CpuTimes& before, double seconds) {
  common::Json list = common::Json::array();
  for (const common::Json& zone : zones) {
    const common::Json& use = object_at(zone, "use");
    if (use.empty()) {
      continue;
    }
    const auto was = before.find(text_at(zone, "id"));
    const std::uint64_t now_ns = number_at(use, "cpu_ns");
    const double used_ns = was == before.end() || now_ns < was->second ? 0 : static_cast<double>(now_ns - was->second);
    list.push_back({{"name", text_at(zone, "name")},
                    {"cpu_percent", used_ns / seconds / 1e7},
                    {"cpu_s", static_cast<double>(now_ns) / 1e9},
                    {"memory_kib", number_at(use, "memory_kib")},
                    {"cpus", number_at(use, "cpus")}});
  }
  return list;
}

std::string top_text(const common::Json& list) {
  Rows rows{{"NAME", "CPU%", "CPU", "MEMORY", "CPUS"}};
  for (const common::Json& zone : list) {
    rows.push_back({text_at(zone, "name"), fmt::format("{:.1f}", zone["cpu_percent"].get<double>()),
                    fmt::format("{:.1f} s", zone["cpu_s"].get<double>()),
                    fmt::format("{}M", number_at(zone, "memory_kib") / 1024), std::to_string(number_at(zone, "cpus"))});
  }
  return table_text(rows);
}

Result<void> top(const TopFlags& flags, Output& output) {
  CpuTimes before;
  constexpr std::chrono::seconds kPeriod{1};
  for (bool is_first = true;; is_first = false) {
    const auto begun = std::chrono::steady_clock::now();
    KRAIT_TRY(const auto answer, control::ask(flags.socket, {.ask = control::Ask::zones}));
    const common::Json& zones = list_at(answer, "zones");
    if (!is_first) {
      const common::Json list = top_json(zones, before, std::chrono::duration<double>(kPeriod).count());
      output.report(top_text(list), {{"version", common::kAnswerVersion}, {"zones", list}});
      if (flags.once || !output.finish()) {
        return {};
      }
    }
    before.clear();
    for (const common::Json& zone : zones) {
      before[text_at(zone, "id")] = number_at(object_at(zone, "use"), "cpu_ns");
    }
    std::this_thread::sleep_until(begun + kPeriod);
  }
}

}  // namespace

Result<void> wait_for(const std::string& socket, const std::string& zone, Output& output) {
  KRAIT_TRY(auto conversation, control::Conversation::open(socket, {.ask = control::Ask::wait, .zone = zone}));
  KRAIT_TRY(const auto json, conversation.next());
  if (!json) {
    return Error(ErrorCode::unavailable, "kratad has ended; the zone goes on without it");
  }
  const common::Json& end = object_at(*json, "end");
  output.report(end_text(end), *json);
  output.exit_with(code_of_end(end));
  return {};
}

void add_zone_list(Shell& shell, Command group) {
  const auto add = [&](const char* name, const char* summary, const char* more, bool has_zone, auto action) {
    auto flags = std::make_shared<ZoneFlags>();
    Command command = shell.command(group, name, summary, more);
    if (has_zone) {
      add_zone_argument(command, *flags);
    }
    add_socket_flag(command, *flags);
    shell.on(command, [flags, action](Output& output) { return action(*flags, output); });
  };
  add("list", "List all zones", "Example:  krata zone list -o json", false, list);
  add("show", "Show all of one zone", "Example:  krata zone show web", true, show);
  add("wait", "Wait until a zone's container ends", "Exits with the container's code.\nExample:  krata zone wait web",
      true, [](const ZoneFlags& flags, Output& output) { return wait_for(flags.socket, flags.zone, output); });
  add("watch", "Tell of every zone, and of every change from then on", "Example:  krata zone watch -o json", false,
      watch);
  auto flags = std::make_shared<TopFlags>();
  Command command = shell.command(group, "top", "Show each second what zones use", "Example:  krata zone top --once");
  command.flag("--once", flags->once, "Only once, of one second");
  add_socket_flag(command, *flags);
  shell.on(command, [flags](Output& output) { return top(*flags, output); });
}

}  // namespace krata::cli
