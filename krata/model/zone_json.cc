#include "krata/model/zone_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <limits>

namespace krata::model {

using common::Error;
using common::ErrorCode;
using common::Json;
using common::Result;

namespace {

Error refused(std::string text) { return {ErrorCode::invalid_input, std::move(text)}; }

// Reads members one by one, and knows at the end which ones nobody asked for.
class Members {
 public:
  explicit Members(const Json& json) : json_(json) {}

  void text(const char* key, std::string& value) {
    if (const Json* found = take(key); found != nullptr) {
      found->is_string() ? void(value = found->get<std::string>()) : refuse(key, "a text");
    }
  }
  void number(const char* key, std::uint32_t& value) {
    if (const Json* found = take(key); found != nullptr) {
      const auto given =
          found->is_number_unsigned() ? found->get<std::uint64_t>() : std::numeric_limits<std::uint64_t>::max();
      given <= std::numeric_limits<std::uint32_t>::max() ? void(value = static_cast<std::uint32_t>(given))
                                                         : refuse(key, "a whole number below 2^32");
    }
  }
  void flag(const char* key, bool& value) {
    if (const Json* found = take(key); found != nullptr) {
      found->is_boolean() ? void(value = found->get<bool>()) : refuse(key, "true or false");
    }
  }
  void texts(const char* key, std::vector<std::string>& values) {
    const Json* found = take(key);
    if (found == nullptr) {
      return;
    }
    if (!found->is_array() || !std::ranges::all_of(*found, [](const Json& word) { return word.is_string(); })) {
      return refuse(key, "a list of texts");
    }
    values = found->get<std::vector<std::string>>();
  }
  const Json* take(const char* key) {
    known_.emplace_back(key);
    return common::find_member(json_, key);
  }
  void refuse(std::string_view key, std::string_view wanted) {
    if (refused_.empty()) {
      refused_ = fmt::format("the member {} must be {}", key, wanted);
    }
  }
  Result<void> finish() {
    if (!json_.is_object()) {
      return refused("an object is needed");
    }
    for (const auto& [key, value] : json_.items()) {
      if (std::ranges::find(known_, key) == known_.end()) {
        return refused(fmt::format("no member is called {}", key.substr(0, 64)));
      }
    }
    return refused_.empty() ? Result<void>() : refused(refused_);
  }

 private:
  const Json& json_;
  std::vector<std::string> known_;
  std::string refused_;
};

void read_resources(Members& members, Resources& resources) {
  members.number("cpus", resources.cpus);
  members.number("memory_mib", resources.memory_mib);
  members.number("weight", resources.weight);
  members.number("cap", resources.cap);
}

void add_resources(Json& json, const Resources& resources) {
  json["cpus"] = resources.cpus;
  json["memory_mib"] = resources.memory_mib;
  json["weight"] = resources.weight;
  json["cap"] = resources.cap;
}

Result<std::vector<DiskSpec>> disks_from(const Json& list) {
  std::vector<DiskSpec> disks;
  for (const Json& entry : list) {
    DiskSpec disk;
    Members members(entry);
    members.text("file", disk.file);
    members.text("mount", disk.mount);
    members.flag("read_only", disk.read_only);
    KRAIT_CHECK(members.finish(), "a disk");
    disks.push_back(std::move(disk));
  }
  return disks;
}

}  // namespace

std::string_view name_of(Restart restart) { return restart == Restart::on_failure ? "on-failure" : "never"; }

Json spec_json(const ZoneSpec& spec) {
  Json json{{"name", spec.name}, {"image", spec.image}, {"command", spec.command}, {"env", spec.env}};
  json["workdir"] = spec.workdir;
  json["user"] = spec.user;
  json["hostname"] = spec.hostname;
  json["kernel"] = spec.kernel;
  add_resources(json, spec.resources);
  json["tty"] = spec.tty;
  json["input"] = spec.input;
  json["disks"] = Json::array();
  for (const DiskSpec& disk : spec.disks) {
    json["disks"].push_back({{"file", disk.file}, {"mount", disk.mount}, {"read_only", disk.read_only}});
  }
  json["restart"] = name_of(spec.restart);
  return json;
}

Result<ZoneSpec> spec_from_json(const Json& json) {
  ZoneSpec spec;
  Members members(json);
  members.text("name", spec.name);
  members.text("image", spec.image);
  members.texts("command", spec.command);
  members.texts("env", spec.env);
  members.text("workdir", spec.workdir);
  members.text("user", spec.user);
  members.text("hostname", spec.hostname);
  members.text("kernel", spec.kernel);
  read_resources(members, spec.resources);
  members.flag("tty", spec.tty);
  members.flag("input", spec.input);
  std::string restart(name_of(Restart::never));
  members.text("restart", restart);
  if (restart != name_of(Restart::never) && restart != name_of(Restart::on_failure)) {
    members.refuse("restart", "never or on-failure");
  }
  spec.restart = restart == name_of(Restart::on_failure) ? Restart::on_failure : Restart::never;
  const Json* disks = members.take("disks");
  if (disks != nullptr && !disks->is_array()) {
    members.refuse("disks", "a list");
  }
  KRAIT_CHECK(members.finish());
  if (disks != nullptr) {
    KRAIT_TRY(spec.disks, disks_from(*disks));
  }
  KRAIT_CHECK(check(spec));
  return spec;
}

Json resources_json(const Resources& resources) {
  Json json;
  add_resources(json, resources);
  return json;
}

Result<Resources> resources_from_json(const Json& json, const Resources& now) {
  Resources resources = now;
  Members members(json);
  read_resources(members, resources);
  KRAIT_CHECK(members.finish());
  KRAIT_CHECK(check(resources));
  return resources;
}

Json end_json(const End& end) {
  return {{"reason", name_of(end.reason)}, {"code", end.code}, {"signal", end.signal}, {"text", end.text}};
}

Result<End> end_from_json(const Json& json) {
  const auto reason = reason_of(common::text_at(json, "reason"));
  const auto code = common::find_number(json, "code");
  const auto signal = common::find_number(json, "signal");
  if (!reason || !code || *code > 255 || !signal || *signal > 255) {
    return refused("this is not how a zone ended");
  }
  return End{.reason = *reason,
             .code = static_cast<std::int32_t>(*code),
             .signal = static_cast<std::int32_t>(*signal),
             .text = common::text_at(json, "text")};
}

Result<std::uint32_t> parse_memory(std::string_view text) {
  std::uint32_t number = 0;
  const auto [rest, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
  if (failed == std::errc() && (unit.empty() || unit == "M")) {
    return number;
  }
  if (failed == std::errc() && unit == "G" && number <= std::numeric_limits<std::uint32_t>::max() / 1024) {
    return number * 1024;
  }
  return refused(fmt::format("{} is no amount of memory; write it as 256M or 2G", text.substr(0, 64)));
}

Result<DiskSpec> parse_disk(std::string_view text) {
  DiskSpec disk{.file = {}, .mount = {}, .read_only = text.ends_with(":ro")};
  const std::string_view rest = disk.read_only ? text.substr(0, text.size() - 3) : text;
  const auto colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == rest.size()) {
    return refused(fmt::format("{} is no disk; write it as FILE:/path or FILE:/path:ro", text.substr(0, 64)));
  }
  disk.file = rest.substr(0, colon);
  disk.mount = rest.substr(colon + 1);
  return disk;
}

}  // namespace krata::model
