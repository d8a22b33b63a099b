#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/calendar.h"
#include "common/cli/table.h"
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
  return found ? common::utc_text(*found, "%Y-%m-%d %H:%M:%S") : "-";
}

std::string memory_text(const common::Json& zone) {
  return fmt::format("{}M", number_at(object_at(zone, "spec"), "memory_mib"));
}

std::string list_text(const common::Json& zones) {
  if (zones.empty()) {
    return "no zones; krata zone launch makes one";
  }
  common::cli::Rows rows{{"NAME", "STATE", "IMAGE", "CPUS", "MEMORY", "END"}};
  for (const common::Json& zone : zones) {
    const common::Json& spec = object_at(zone, "spec");
    const common::Json& end = object_at(zone, "end");
    const std::string note = text_at(zone, "note");
    rows.push_back({text_at(zone, "name"), text_at(zone, "state"), text_at(spec, "image"),
                    std::to_string(number_at(spec, "cpus")), memory_text(zone), end.empty() ? note : end_text(end)});
  }
  return common::cli::table_text(rows);
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
      return cut_off("the zones");
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

// Of all disks of a zone together.
std::uint64_t disks_sum(const common::Json& zone, const char* key) {
  std::uint64_t sum = 0;
  for (const common::Json& disk : list_at(zone, "disks")) {
    sum += number_at(disk, key);
  }
  return sum;
}

struct Used {
  std::uint64_t cpu_ns = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t written_bytes = 0;
};
using UsedBefore = std::map<std::string, Used>;

Used used_by(const common::Json& zone) {
  return {.cpu_ns = number_at(object_at(zone, "use"), "cpu_ns"),
          .read_bytes = disks_sum(zone, "read_bytes"),
          .written_bytes = disks_sum(zone, "written_bytes")};
}

std::uint64_t since(std::uint64_t now, std::uint64_t before) { return now < before ? 0 : now - before; }

// What each used since `before`, `seconds` ago.
common::Json top_json(const common::Json& zones, const UsedBefore& before, double seconds) {
  common::Json list = common::Json::array();
  for (const common::Json& zone : zones) {
    const common::Json& use = object_at(zone, "use");
    if (use.empty()) {
      continue;
    }
    const Used now = used_by(zone);
    const auto found = before.find(text_at(zone, "id"));
    const Used& was = found == before.end() ? now : found->second;
    const auto a_second = [seconds](std::uint64_t amount) { return static_cast<double>(amount) / seconds; };
    list.push_back({{"name", text_at(zone, "name")},
                    {"cpu_percent", a_second(since(now.cpu_ns, was.cpu_ns)) / 1e7},
                    {"cpu_s", static_cast<double>(now.cpu_ns) / 1e9},
                    {"memory_kib", number_at(use, "memory_kib")},
                    {"cpus", number_at(use, "cpus")},
                    {"read_bytes_s", a_second(since(now.read_bytes, was.read_bytes))},
                    {"written_bytes_s", a_second(since(now.written_bytes, was.written_bytes))}});
  }
  return list;
}

std::string top_text(const common::Json& list) {
  common::cli::Rows rows{{"NAME", "CPU%", "CPU", "MEMORY", "CPUS", "READ/S", "WRITTEN/S"}};
  for (const common::Json& zone : list) {
    rows.push_back({text_at(zone, "name"), fmt::format("{:.1f}", zone["cpu_percent"].get<double>()),
                    fmt::format("{:.1f} s", zone["cpu_s"].get<double>()),
                    fmt::format("{}M", number_at(zone, "memory_kib") / 1024), std::to_string(number_at(zone, "cpus")),
                    common::cli::size_text(static_cast<std::uint64_t>(zone["read_bytes_s"].get<double>())),
                    common::cli::size_text(static_cast<std::uint64_t>(zone["written_bytes_s"].get<double>()))});
  }
  return common::cli::table_text(rows);
}

Result<void> metrics(const ZoneFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, control::ask(flags.socket, {.ask = control::Ask::zone, .zone = flags.zone}));
  const common::Json& zone = object_at(answer, "zone");
  const common::Json& use = object_at(zone, "use");
  std::string text =
      fmt::format("{}  {}, run {}", text_at(zone, "name"), text_at(zone, "state"), number_at(zone, "run"));
  if (!use.empty()) {
    text +=
        fmt::format("\ncpu {:.1f} s on {} CPUs, memory {} of {}", static_cast<double>(number_at(use, "cpu_ns")) / 1e9,
                    number_at(use, "cpus"), common::cli::size_text(number_at(use, "memory_kib") * 1024),
                    common::cli::size_text(number_at(use, "max_memory_kib") * 1024));
  }
  common::cli::Rows rows{{"DISK", "READS", "READ", "WRITES", "WRITTEN", "FLUSHES", "ERRORS"}};
  for (const common::Json& disk : list_at(zone, "disks")) {
    const auto number = [&disk](const char* key) { return std::to_string(number_at(disk, key)); };
    rows.push_back({text_at(disk, "disk"), number("reads"), common::cli::size_text(number_at(disk, "read_bytes")),
                    number("writes"), common::cli::size_text(number_at(disk, "written_bytes")), number("flushes"),
                    number("errors")});
  }
  output.report(rows.size() == 1 ? text : text + "\n" + common::cli::table_text(rows),
                {{"version", common::kAnswerVersion},
                 {"name", text_at(zone, "name")},
                 {"id", text_at(zone, "id")},
                 {"run", number_at(zone, "run")},
                 {"use", use.empty() ? common::Json() : use},
                 {"disks", list_at(zone, "disks")}});
  return {};
}

Result<void> top(const TopFlags& flags, Output& output) {
  UsedBefore before;
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
      before[text_at(zone, "id")] = used_by(zone);
    }
    std::this_thread::sleep_until(begun + kPeriod);
  }
}

}  // namespace

Error cut_off(std::string_view what) {
  return {
      ErrorCode::unavailable,
      fmt::format("kratad has closed the connection: it has ended, 1 MiB was there that nobody read, or a newer one "
                  "took its place; nothing happened to {}",
                  what)};
}

Result<void> wait_for(const std::string& socket, const std::string& zone, Output& output) {
  KRAIT_TRY(auto conversation, control::Conversation::open(socket, {.ask = control::Ask::wait, .zone = zone}));
  KRAIT_TRY(const auto json, conversation.next());
  if (!json) {
    return cut_off("the zone");
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
  add("metrics", "Show what a zone has used, each disk for itself",
      "The same numbers are on kratad's metrics page, for Prometheus.\nExample:  krata zone metrics web", true,
      metrics);
  auto flags = std::make_shared<TopFlags>();
  Command command = shell.command(group, "top", "Show each second what zones use", "Example:  krata zone top --once");
  command.flag("--once", flags->once, "Only once, of one second");
  add_socket_flag(command, *flags);
  shell.on(command, [flags](Output& output) { return top(*flags, output); });
}

}  // namespace krata::cli
