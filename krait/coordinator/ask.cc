#include "krait/coordinator/ask.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <map>
#include <set>
#include <utility>

#include "common/answer.h"
#include "common/event/loop.h"
#include "common/event/unix_socket.h"
#include "common/file.h"
#include "krait/control/version.h"
#include "krait/coordinator/author.h"
#include "krait/coordinator/server.h"
#include "krait/wire/message.h"
#include "krait/wire/talk.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::Json;
using common::Result;

namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kMaxProfileBytes = 65536;
constexpr std::chrono::seconds kPatience{30};  // besides what the request itself may take
constexpr wire::FrameLimits kFrames{.incoming_bytes = wire::kMaxAdminFrameBytes + 64,
                                    .queued_bytes = 2 * wire::kMaxAdminFrameBytes};

// As krait/wire/connection.h has it.
std::string frame_of(const std::string& text) {
  std::string frame;
  for (std::size_t i = kLengthBytes; i-- > 0;) {
    frame += static_cast<char>(text.size() >> 8U * i & 0xFFU);
  }
  return frame + text;
}

Result<std::string> read_frame(int fd) {
  std::array<char, kLengthBytes> head{};
  KRAIT_TRY(const auto got, common::read_into(fd, head, "the coordinator's answer"));
  std::size_t size = 0;
  for (const char byte : head) {
    size = size << 8U | static_cast<unsigned char>(byte);
  }
  if (got != head.size() || size > wire::kMaxAdminFrameBytes) {
    return Error(ErrorCode::unavailable, "the coordinator ended before it answered");
  }
  std::string text(size, '\0');
  KRAIT_TRY(const auto all, common::read_into(fd, text, "the coordinator's answer"));
  return all == size ? Result<std::string>(std::move(text))
                     : Error(ErrorCode::unavailable, "the coordinator ended before it had answered");
}

Result<Json> answer_of(std::string_view line) {
  auto json = common::parse_json_object(line);
  if (!json || json->value("version", Json()) != common::kAnswerVersion) {
    return Error(ErrorCode::system, "the coordinator's answer is not of this program's version");
  }
  if (json->contains("error")) {
    return common::error_from_json(*json);
  }
  return std::move(*json);
}

Result<std::string> text_of(const Json& request) {
  std::string text = request.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > wire::kMaxAdminFrameBytes - 64) {  // what protobuf adds
    return Error(ErrorCode::limit, "the request is too long for the coordinator");
  }
  return text;
}

Result<Json> ask_socket(const std::string& socket, const Json& request) {
  auto fd = common::connect_unix(socket);
  if (!fd && fd.error().code() == ErrorCode::unavailable) {
    return Error(ErrorCode::unavailable, fmt::format("no coordinator serves at {}; start it: systemctl start "
                                                     "krait-coordinator",
                                                     socket));
  }
  if (!fd) {
    return fd.error();
  }
  KRAIT_TRY(const auto text, text_of(request));
  KRAIT_CHECK(common::write_all(fd->get(), frame_of(text), "the coordinator's socket"));
  KRAIT_TRY(const auto line, read_frame(fd->get()));
  return answer_of(line);
}

// Hello, welcome, ask, answer.
Result<std::string> converse(wire::Talk& talk, const std::string& address, const std::string& text,
                             std::chrono::seconds patience) {
  std::string line;
  talk.set_answer([&](wire::Message& message) -> Result<void> {
    if (const auto* welcome = std::get_if<wire::Welcome>(&message)) {
      if (!welcome->known) {
        return Error(ErrorCode::permission,
                     "the coordinator knows no administrator with this key; another one adds it: krait-coordinator "
                     "admin add");
      }
      talk.send(wire::Ask{.number = 1, .request = text});
    } else if (auto* answer = std::get_if<wire::Answer>(&message); answer != nullptr && answer->number == 1) {
      line = std::move(answer->answer);
      talk.end();
    }
    return {};
  });
  KRAIT_CHECK(talk.run(address, patience));
  return line;
}

}  // namespace

std::string profile_text(const Profile& profile) {
  return common::json_line({{"version", 1},
                            {"network", profile.network},
                            {"addresses", profile.addresses},
                            {"server_key", wire::hash_text(profile.server_key)}});
}

Result<Profile> parse_profile(std::string_view text, const std::string& file) {
  const auto json = common::parse_json_object(text);
  const auto key = json ? wire::parse_hash(common::text_at(*json, "server_key")) : std::nullopt;
  if (!key || common::number_at(*json, "version") != 1) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("{} is not what krait-coordinator admin connect writes; connect again", file));
  }
  Profile profile{.network = common::text_at(*json, "network"), .addresses = {}, .server_key = *key};
  for (const Json& address : common::list_at(*json, "addresses")) {
    profile.addresses.push_back(address.is_string() ? address.get<std::string>() : "");
  }
  return profile;
}

Result<std::string> profile_file(const std::string& given) {
  if (!given.empty()) {
    return given;
  }
  const char* home = std::getenv("HOME");
  return home != nullptr && *home == '/'
             ? Result<std::string>(std::string(home) + "/.config/krait/coordinator.json")
             : Error(ErrorCode::not_found, "there is no home folder with a profile; name one with --profile");
}

Result<Json> ask(const Profile& profile, const std::string& key_file, const Json& request) {
  KRAIT_TRY(const auto key, load_admin_key(key_file));
  KRAIT_TRY(const auto pair, wire::key_pair_of(key.seed().bytes()));
  KRAIT_TRY(const auto tls, wire::Tls::create(wire::Side::client, pair));
  KRAIT_TRY(const auto text, text_of(request));
  KRAIT_TRY(const auto loop, common::Loop::create());
  const auto patience =
      kPatience +
      std::chrono::seconds(std::min<std::uint64_t>(common::number_at(request, "timeout_ms"), 600'000) / 1000);
  Result<std::string> line = Error(ErrorCode::unavailable, "the profile names no address of a coordinator");
  for (const std::string& address : profile.addresses) {
    wire::Talk talk(*loop, *tls, {profile.server_key, fmt::format("krait-coordinator {}", control::kVersion), kFrames});
    line = converse(talk, address, text, patience);
    if (line || line.error().code() != ErrorCode::unavailable) {
      break;
    }
    line = std::move(line.error()).with_context(address);
  }
  return line ? answer_of(*line) : std::move(line.error());
}

Result<Json> ask(const Reach& reach, const Json& request) {
  if (!reach.socket.empty()) {
    return ask_socket(reach.socket, request);
  }
  const auto file = profile_file(reach.profile);
  const bool asks_for_one = !reach.profile.empty() || !reach.coordinator.empty();
  auto text = file ? common::read_file(*file, kMaxProfileBytes) : Result<std::string>(file.error());
  if (!text && text.error().code() == ErrorCode::not_found && !asks_for_one) {
    return ask_socket(kDefaultSocket, request);
  }
  if (!text && text.error().code() == ErrorCode::not_found) {
    return Error(ErrorCode::not_found,
                 "there is no profile of the network, which says by what key its coordinator is known; "
                 "krait-coordinator admin connect INVITATION makes one");
  }
  if (!text) {
    return text.error();
  }
  KRAIT_TRY(auto profile, parse_profile(*text, *file));
  if (!reach.coordinator.empty()) {
    profile.addresses = {reach.coordinator};
  }
  return ask(profile, reach.key, request);
}

Others ask_others(const Reach& reach, const Json& answer, const Json& request) {
  Others others;
  const Json& addresses = common::list_at(answer, "coordinators");
  const auto key = wire::parse_hash(common::text_at(answer, "server_key"));
  if (addresses.size() < 2 || !key) {
    return others;
  }
  std::set<std::string> heard{common::text_at(answer, "coordinator")};
  for (const Json& each : addresses) {
    const std::string address = each.is_string() ? each.get<std::string>() : "";
    auto other = ask(Profile{.network = {}, .addresses = {address}, .server_key = *key}, reach.key, request);
    if (!other) {
      others.silent.push_back({{"coordinator", address}, {"why", other.error().text()}});
    } else if (heard.insert(common::text_at(*other, "coordinator")).second) {
      others.answers.push_back(*std::move(other));
    }
  }
  return others;
}

Result<Json> all_hosts(const Reach& reach, const std::string& name) {
  const Json request{{"request", "hosts"}, {"host", name}};
  KRAIT_TRY(auto answer, ask(reach, request));
  const Others others = ask_others(reach, answer, request);
  std::map<std::string, Json> elsewhere;
  for (const Json& other : others.answers) {
    for (const Json& host : common::list_at(other, "hosts")) {
      if (host.value("online", false)) {
        elsewhere[common::text_at(host, "name")] = host;
      }
    }
  }
  for (Json& host : answer["hosts"]) {
    const auto found = elsewhere.find(common::text_at(host, "name"));
    for (const char* member : {"online", "enforced", "sent", "behind", "failure", "copied"}) {
      if (found != elsewhere.end()) {
        host[member] = found->second[member];
      }
    }
  }
  if (!others.silent.empty()) {
    answer["silent"] = others.silent;
  }
  return answer;
}

std::string silent_text(const Json& silent) {
  std::string text;
  for (const Json& coordinator : silent) {
    text += fmt::format("\n  of hosts of the coordinator at {} nothing is known: {}",
                        common::text_at(coordinator, "coordinator"), common::text_at(coordinator, "why"));
  }
  return text;
}

}  // namespace krait::coordinator
