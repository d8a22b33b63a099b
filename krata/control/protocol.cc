#include "krata/control/protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <limits>
#include <span>
#include <utility>

#include "common/base64.h"
#include "krata/model/zone_json.h"

namespace krata::control {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// Each with the members that it may have besides `version` and `request`.
struct Known {
  std::string_view name;
  Ask ask;
  std::array<std::string_view, 4> members;
};

constexpr std::array<Known, 14> kKnown{{{"zones", Ask::zones, {}},
                                        {"zone", Ask::zone, {"zone"}},
                                        {"launch", Ask::launch, {"spec"}},
                                        {"start", Ask::start, {"zone"}},
                                        {"stop", Ask::stop, {"zone", "patience_s", "until_restart"}},
                                        {"destroy", Ask::destroy, {"zone"}},
                                        {"update", Ask::update, {"zone", "resources"}},
                                        {"wait", Ask::wait, {"zone"}},
                                        {"watch", Ask::watch, {}},
                                        {"logs", Ask::logs, {"zone", "follow", "kernel", "tail"}},
                                        {"attach", Ask::attach, {"zone"}},
                                        {"exec", Ask::exec, {"zone", "exec"}},
                                        {"host", Ask::host, {}},
                                        {"hypervisor_log", Ask::hypervisor_log, {}}}};

constexpr std::uint64_t kMaxPatienceS = 86'400;
constexpr std::uint64_t kMaxTail = 1'000'000;
constexpr std::size_t kMaxExecWords = 4096;

Error wrong(std::string text) { return {ErrorCode::invalid_input, std::move(text)}; }

std::string names() {
  std::string text;
  for (const Known& known : kKnown) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", known.name);
  }
  return text;
}

Result<void> check_members(const Json& json, std::span<const std::string_view> members) {
  for (const auto& [key, value] : json.items()) {
    if (std::ranges::find(members, key) == members.end()) {
      return wrong(fmt::format("no member is called {}", key.substr(0, 64)));
    }
  }
  return {};
}

Result<std::optional<std::uint64_t>> number_in(const Json& json, const char* key, std::uint64_t most) {
  const Json* found = common::find_member(json, key);
  if (found == nullptr) {
    return std::optional<std::uint64_t>();
  }
  const auto number = common::find_number(json, key);
  if (!number || *number > most) {
    return wrong(fmt::format("the member {} must be a whole number of at most {}", key, most));
  }
  return number;
}

Result<bool> flag_in(const Json& json, const char* key) {
  const Json* found = common::find_member(json, key);
  if (found != nullptr && !found->is_boolean()) {
    return wrong(fmt::format("the member {} must be true or false", key));
  }
  return found != nullptr && found->get<bool>();
}

Result<std::vector<std::string>> texts_in(const Json& json, const char* key) {
  std::vector<std::string> texts;
  const Json* found = common::find_member(json, key);
  if (found == nullptr) {
    return texts;
  }
  if (!found->is_array() || found->size() > kMaxExecWords) {
    return wrong(fmt::format("the member {} must be a list of at most {} texts", key, kMaxExecWords));
  }
  for (const Json& text : *found) {
    if (!text.is_string()) {
      return wrong(fmt::format("the member {} must be a list of texts", key));
    }
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

Result<WindowSize> size_from(const Json& json) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint16_t>::max();
  KRAIT_TRY(const auto rows, number_in(json, "rows", kMost));
  KRAIT_TRY(const auto columns, number_in(json, "columns", kMost));
  return WindowSize{.rows = static_cast<std::uint16_t>(rows.value_or(0)),
                    .columns = static_cast<std::uint16_t>(columns.value_or(0))};
}

Result<std::string> text_in(const Json& json, const char* key) {
  const Json* found = common::find_member(json, key);
  if (found != nullptr && !found->is_string()) {
    return wrong(fmt::format("the member {} must be a text", key));
  }
  return found != nullptr ? found->get<std::string>() : std::string();
}

Result<ExecSpec> exec_from(const Json& json) {
  constexpr std::array<std::string_view, 7> kMembers{"command", "env", "workdir", "user", "tty", "rows", "columns"};
  KRAIT_CHECK(check_members(json, kMembers));
  ExecSpec spec;
  KRAIT_TRY(spec.command, texts_in(json, "command"));
  KRAIT_TRY(spec.env, texts_in(json, "env"));
  KRAIT_TRY(spec.workdir, text_in(json, "workdir"));
  KRAIT_TRY(spec.user, text_in(json, "user"));
  KRAIT_TRY(spec.tty, flag_in(json, "tty"));
  KRAIT_TRY(spec.size, size_from(json));
  if (spec.command.empty()) {
    return wrong("exec needs a command");
  }
  return spec;
}

Json size_json(const WindowSize& size) { return {{"rows", size.rows}, {"columns", size.columns}}; }

Result<void> read_members(const Json& json, Request& request) {
  request.zone = common::text_at(json, "zone");
  if (request.ask == Ask::launch) {
    KRAIT_TRY(auto spec, model::spec_from_json(common::object_at(json, "spec")));
    request.spec = std::move(spec);
  }
  if (request.ask == Ask::exec) {
    KRAIT_TRY(auto spec, exec_from(common::object_at(json, "exec")));
    request.exec = std::move(spec);
  }
  request.resources = common::object_at(json, "resources");
  KRAIT_TRY(const auto patience, number_in(json, "patience_s", kMaxPatienceS));
  if (patience) {
    request.patience_s = static_cast<std::uint32_t>(*patience);
  }
  KRAIT_TRY(request.until_restart, flag_in(json, "until_restart"));
  KRAIT_TRY(request.follow, flag_in(json, "follow"));
  KRAIT_TRY(request.kernel, flag_in(json, "kernel"));
  KRAIT_TRY(const auto tail, number_in(json, "tail", kMaxTail));
  if (tail) {
    request.tail = static_cast<std::uint32_t>(*tail);
  }
  return {};
}

std::string to_base64(std::string_view bytes) {
  return common::to_base64({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

std::optional<std::string> bytes_at(const Json& json, const char* key) {
  const Json* found = common::find_member(json, key);
  if (found == nullptr || !found->is_string()) {
    return std::nullopt;
  }
  const auto bytes = common::from_base64(found->get_ref<const std::string&>());
  return bytes ? std::optional(std::string(bytes->begin(), bytes->end())) : std::nullopt;
}

}  // namespace

std::string_view name_of(Ask ask) { return std::ranges::find(kKnown, ask, &Known::ask)->name; }

bool needs_right(Ask ask) { return ask != Ask::zones && ask != Ask::zone && ask != Ask::host && ask != Ask::watch; }

Result<Request> parse_request(std::string_view line) {
  if (common::json_shape(line).parts > kMaxRequestParts) {
    return Error(ErrorCode::limit, fmt::format("a request has at most {} values and names", kMaxRequestParts));
  }
  const auto json = common::parse_json_object(line);
  if (!json) {
    return wrong(R"(a request is one JSON object on a line, as {"request":"zones"})");
  }
  if (const auto version = json->find("version"); version != json->end() && *version != kProtocolVersion) {
    return wrong("this daemon speaks version 1 of the control protocol");
  }
  const auto known = std::ranges::find(kKnown, common::text_at(*json, "request"), &Known::name);
  if (known == kKnown.end()) {
    return wrong(fmt::format("unknown request; the requests are {}", names()));
  }
  std::vector<std::string_view> members(known->members.begin(), known->members.end());
  members.insert(members.end(), {"version", "request"});
  KRAIT_CHECK(check_members(*json, members));
  Request request{.ask = known->ask};
  KRAIT_CHECK(read_members(*json, request));
  if (known->members[0] == "zone" && request.zone.empty()) {
    return wrong(fmt::format("{} needs a zone, by name or id", known->name));
  }
  return request;
}

Json request_json(const Request& request) {
  Json json{{"version", kProtocolVersion}, {"request", name_of(request.ask)}};
  const auto& members = std::ranges::find(kKnown, request.ask, &Known::ask)->members;
  if (members[0] == "zone") {
    json["zone"] = request.zone;
  }
  if (request.spec) {
    json["spec"] = model::spec_json(*request.spec);
  }
  if (request.exec) {
    const ExecSpec& spec = *request.exec;
    json["exec"] = {{"command", spec.command},     {"env", spec.env}, {"workdir", spec.workdir},
                    {"user", spec.user},           {"tty", spec.tty}, {"rows", spec.size.rows},
                    {"columns", spec.size.columns}};
  }
  if (request.ask == Ask::update) {
    json["resources"] = request.resources;
  }
  if (request.patience_s) {
    json["patience_s"] = *request.patience_s;
  }
  if (request.until_restart) {
    json["until_restart"] = true;
  }
  if (request.ask == Ask::logs) {
    json["follow"] = request.follow;
    json["kernel"] = request.kernel;
    if (request.tail) {
      json["tail"] = *request.tail;
    }
  }
  return json;
}

Json zone_json(const ZoneView& view, Disclosure disclosure) {
  const model::ZoneRecord& record = view.record;
  Json json{{"id", record.id.text()}, {"name", record.spec.name}, {"state", name_of(view.state)}};
  json["note"] = view.note;
  json["spec"] = model::spec_json(record.spec);
  json["image_digest"] = record.root.empty() ? Json() : Json(record.root);
  json["created_s"] = record.created_s;
  json["run"] = record.run;
  json["started_s"] = record.started_s == 0 ? Json() : Json(record.started_s);
  json["ended_s"] = record.ended_s == 0 ? Json() : Json(record.ended_s);
  json["end"] = record.end ? model::end_json(*record.end) : Json();
  json["domain"] = view.use && record.domain ? Json(*record.domain) : Json();
  json["use"] = view.use ? Json{{"cpu_ns", view.use->cpu_ns},
                                {"memory_kib", view.use->memory_kib},
                                {"max_memory_kib", view.use->max_memory_kib},
                                {"cpus", view.use->cpus}}
                         : Json();
  if (disclosure != Disclosure::full) {
    json["spec"].erase("command");
    json["spec"].erase("env");
  }
  if (disclosure == Disclosure::restricted) {
    json["note"] = "";
    if (record.end) {
      json["end"]["text"] = "";
    }
  }
  json["disks"] = Json::array();
  for (const DiskUse& disk : view.disks) {
    json["disks"].push_back({{"disk", disk.disk},
                             {"reads", disk.reads},
                             {"writes", disk.writes},
                             {"flushes", disk.flushes},
                             {"read_bytes", disk.read_bytes},
                             {"written_bytes", disk.written_bytes},
                             {"errors", disk.errors}});
  }
  return json;
}

Json zones_json(const std::vector<ZoneView>& views, Disclosure disclosure) {
  Json json{{"version", kProtocolVersion}, {"zones", Json::array()}};
  for (const ZoneView& view : views) {
    json["zones"].push_back(zone_json(view, disclosure));
  }
  return json;
}

Json log_json(const console::Line& line) {
  return {{"time_us", line.unix_us},
          {"stream", console::name_of(line.stream)},
          {"run", line.run},
          {"whole", line.is_whole},
          {"text", line.text}};
}

Json output_json(console::Stream stream, std::string_view bytes) {
  return {{"stream", console::name_of(stream)}, {"bytes", to_base64(bytes)}};
}

Json ended_json(const model::End& end) { return {{"end", model::end_json(end)}}; }

std::optional<std::pair<console::Stream, std::string>> output_of(const Json& json) {
  auto bytes = bytes_at(json, "bytes");
  const std::string stream = common::text_at(json, "stream");
  if (!bytes || (stream != "out" && stream != "err")) {
    return std::nullopt;
  }
  return std::pair(stream == "err" ? console::Stream::error : console::Stream::output, std::move(*bytes));
}

Result<Input> parse_input(std::string_view line) {
  const auto json = common::parse_json_object(line);
  constexpr std::array<std::string_view, 4> kMembers{"bytes", "end", "size", "signal"};
  if (!json) {
    return wrong("an input is one JSON object on a line");
  }
  KRAIT_CHECK(check_members(*json, kMembers));
  Input input;
  input.bytes = bytes_at(*json, "bytes");
  if ((json->contains("bytes") && !input.bytes) || (input.bytes && input.bytes->size() > kMaxInputBytes)) {
    return wrong(fmt::format("the member bytes must be base64 of at most {} bytes", kMaxInputBytes));
  }
  KRAIT_TRY(input.is_end, flag_in(*json, "end"));
  if (json->contains("size")) {
    KRAIT_TRY(input.size, size_from(common::object_at(*json, "size")));
  }
  KRAIT_TRY(const auto signal, number_in(*json, "signal", 64));
  if (signal) {
    input.signal = static_cast<std::uint32_t>(*signal);
  }
  return input;
}

Json input_json(const Input& input) {
  Json json = Json::object();
  if (input.bytes) {
    json["bytes"] = to_base64(*input.bytes);
  }
  if (input.is_end) {
    json["end"] = true;
  }
  if (input.size) {
    json["size"] = size_json(*input.size);
  }
  if (input.signal) {
    json["signal"] = *input.signal;
  }
  return json;
}

}  // namespace krata::control
