#include "krata/daemon/service.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "common/answer.h"
#include "common/event/http.h"
#include "common/safe_text.h"
#include "krata/daemon/metrics.h"
#include "krata/model/zone_json.h"

namespace krata::daemon {

using common::Error;
using common::ErrorCode;
using common::Result;
using control::Ask;
using control::Disclosure;
using control::Json;

namespace {

constexpr std::uint32_t kStopPatienceS = 10;  // as docker's

Disclosure disclosure_to(const common::Client& client) {
  return client.may_change ? Disclosure::full : Disclosure::restricted;
}

Json with_zone(const Zone& zone, Disclosure disclosure) {
  return {{"version", control::kProtocolVersion}, {"zone", control::zone_json(zone.view_with_disks(), disclosure)}};
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    lines.push_back(common::safe_text(line.ends_with('\r') ? line.substr(0, line.size() - 1) : line));
  }
  return lines;
}

Json place_json(const std::optional<std::uint32_t>& number) { return number ? Json(*number) : Json(); }

Result<Json> host_json(const Host& host) {
  KRAIT_TRY(const auto info, host.machine.info());
  KRAIT_TRY(const auto cpus, host.machine.cpu_places());
  KRAIT_TRY(const auto domains, host.hypervisor.domains());
  Json json{{"version", control::kProtocolVersion},
            {"hypervisor", host.hypervisor.name()},
            {"store", host.watches.store().path()},
            {"cpus", info.cpus},
            {"cpu_khz", info.cpu_khz},
            {"total_kib", info.memory_kib},
            {"free_kib", info.free_memory_kib + info.dirty_memory_kib}};
  json["topology"] = Json::array();
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    json["topology"].push_back({{"cpu", i},
                                {"core", place_json(cpus[i].core)},
                                {"socket", place_json(cpus[i].socket)},
                                {"node", place_json(cpus[i].node)}});
  }
  json["domains"] = Json::array();
  for (const xen::DomainInfo& domain : domains) {
    json["domains"].push_back({{"domain", domain.id},
                               {"id", model::ZoneId{domain.handle}.text()},
                               {"cpu_ns", domain.cpu_time_ns},
                               {"memory_kib", domain.memory_kib},
                               {"cpus", domain.online_vcpus},
                               {"dying", domain.is_dying}});
  }
  return json;
}

std::string error_line(const Error& error) { return common::json_line(common::error_json(error)); }

}  // namespace

Result<std::unique_ptr<Service>> Service::create(Daemon& daemon, const common::Rights& rights) {
  std::unique_ptr<Service> service(new Service(daemon, rights));
  KRAIT_TRY(service->metrics_, common::SharedText::create(daemon.host().loop, [&daemon] {
              store::StoreClient& store = daemon.host().watches.store();
              const auto requests = store.requests();  // another store counts none
              daemon.host().watches.dispatch();
              return Result<std::string>(
                  metrics_text(daemon.views(), requests ? *requests : std::map<std::string, std::uint64_t>()));
            }));
  return service;
}

std::optional<common::Answer> Service::on_control(std::string_view input, const common::Client& client) {
  const auto end = input.find('\n');
  const std::size_t most = client.may_change ? control::kMaxRequestBytes : control::kMaxRequestBytesOfOthers;
  if (end != std::string_view::npos && end < most) {
    common::Answer made = answer(input.substr(0, end), client);
    made.consumed = end + 1;
    return made;
  }
  if (input.size() < most) {
    return std::nullopt;
  }
  const Error error(ErrorCode::limit, fmt::format("a request has at most {} bytes", most));
  return common::Answer{.bytes = error_line(error), .consumed = input.size(), .close = true};
}

common::Answer Service::answer(std::string_view line, const common::Client& client) {
  auto request = control::parse_request(line);
  if (!request) {
    return {.bytes = error_line(request.error())};
  }
  if (control::needs_right(request->ask) && !client.may_change) {
    return {.bytes = error_line(Error(ErrorCode::permission, common::refusal(rights_, control::kGroup)))};
  }
  if (is_talk(request->ask)) {
    return hand_over(std::move(*request), client);
  }
  const auto json = answer_once(*request, disclosure_to(client));
  daemon_.host().watches.dispatch();
  metrics_->forget();
  return {.bytes = json ? common::json_line(*json) : error_line(json.error())};
}

Result<Json> Service::answer_once(const control::Request& request, Disclosure disclosure) {
  if (request.ask == Ask::zones) {
    return control::zones_json(daemon_.views(), disclosure);
  }
  if (request.ask == Ask::launch) {
    KRAIT_TRY(const Zone* zone, daemon_.launch(*request.spec));
    return with_zone(*zone, disclosure);
  }
  if (request.ask == Ask::host) {
    return host_json(daemon_.host());
  }
  if (request.ask == Ask::hypervisor_log) {
    KRAIT_TRY(const auto text, daemon_.host().machine.log());
    return Json{{"version", control::kProtocolVersion}, {"lines", lines_of(text)}};
  }
  daemon_.refresh();
  KRAIT_TRY(Zone * zone, daemon_.find(request.zone));
  return answer_zone(request, *zone, disclosure);
}

Result<Json> Service::answer_zone(const control::Request& request, Zone& zone, Disclosure disclosure) {
  if (request.ask == Ask::start) {
    KRAIT_CHECK(daemon_.start(zone));
  } else if (request.ask == Ask::stop) {
    const std::chrono::seconds patience(request.patience_s.value_or(kStopPatienceS));
    if (request.until_restart) {
      zone.hold(patience);
    } else {
      KRAIT_CHECK(zone.stop(patience));
    }
  } else if (request.ask == Ask::update) {
    KRAIT_TRY(const auto resources, model::resources_from_json(request.resources, zone.record().spec.resources));
    KRAIT_CHECK(zone.update(resources));
  }
  return with_zone(zone, disclosure);
}

// The zone is looked for once more when the connection is there: it may have gone meanwhile.
common::Answer Service::hand_over(control::Request request, const common::Client& client) {
  if (talks_.size() >= kMaxTalks) {
    return {.bytes = error_line(Error(ErrorCode::limit, fmt::format("{} connections last already", talks_.size())))};
  }
  return {.bytes = {},
          .take_over = [this, client, request = std::move(request)](common::Fd connection, std::string input) {
            if (!client.may_change) {
              make_room_for(client);
            }
            begin_talk(request, client, std::move(connection), std::move(input));
          }};
}

// Those who may change nothing have a few, of which the oldest gives way, so that there is always room for the others.
void Service::make_room_for(const common::Client& client) {
  const auto of_others = [](const auto& talk) { return !talk.second.client.may_change; };
  const auto of_user = [&](const auto& talk) { return of_others(talk) && talk.second.client.user == client.user; };
  if (std::ranges::count_if(talks_, of_user) >= kMaxTalksOfUser) {
    talks_.erase(std::ranges::find_if(talks_, of_user));
  } else if (std::ranges::count_if(talks_, of_others) >= kMaxTalksOfOthers) {
    talks_.erase(std::ranges::find_if(talks_, of_others));
  }
}

void Service::begin_talk(const control::Request& request, const common::Client& client, common::Fd connection,
                         std::string input) {
  Zone* zone = nullptr;
  if (request.ask != Ask::watch) {
    auto found = daemon_.find(request.zone);
    if (!found) {
      const std::string line = error_line(found.error());
      std::ignore = ::send(connection.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      return;
    }
    zone = *found;
  }
  const std::uint64_t id = next_talk_++;
  auto talk = make_talk(daemon_, zone, request, disclosure_to(client));
  Talk* opened = talk.get();
  talks_[id] = {.client = client, .talk = std::move(talk)};
  if (auto begun = opened->open(std::move(connection), std::move(input), [this, id] { talks_.erase(id); }); !begun) {
    daemon_.host().log.error("a connection: " + begun.error().text());
    talks_.erase(id);
  }
}

std::optional<common::Answer> Service::on_http(std::string_view input) {
  const auto code = common::http_status(input);
  if (!code) {
    return std::nullopt;
  }
  if (*code != 200) {
    return common::Answer{.bytes = common::http_response(*code, {}), .consumed = input.size(), .close = true};
  }
  const auto& page = metrics_->get();
  return common::Answer{.bytes = page ? common::http_response(200, *page) : common::http_response(500, {}),
                        .consumed = input.size(),
                        .close = true};
}

}  // namespace krata::daemon
