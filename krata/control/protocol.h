// The control socket's language, docs/krata_control.md: one JSON object a line each way; some requests turn the
// connection into a stream of such lines. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/answer.h"
#include "common/json.h"
#include "common/result.h"
#include "krata/console/lines.h"
#include "krata/control/view.h"
#include "krata/model/zone.h"

namespace krata::control {

using common::Json;

inline constexpr int kProtocolVersion = common::kAnswerVersion;
inline constexpr const char* kDefaultSocket = "/run/krata/krata.sock";
inline constexpr const char* kGroup = "krata";  // whose members may do everything; others get the list of zones
inline constexpr std::size_t kMaxRequestBytes = std::size_t{1} << 20U;
inline constexpr std::size_t kMaxRequestBytesOfOthers = 4096;  // of who may change nothing
// Values and names in a request (common::JsonShape): more than any has, some MiB of memory at most, and no object of so
// many names that to look for each among all before it takes seconds.
inline constexpr std::size_t kMaxRequestParts = 10'000;

enum class Ask : std::uint8_t {
  zones,
  zone,
  launch,
  start,
  stop,
  destroy,
  update,
  wait,
  watch,
  logs,
  attach,
  exec,
  host,
  hypervisor_log
};

struct WindowSize {
  std::uint16_t rows = 0;
  std::uint16_t columns = 0;
};

// What `exec` runs.
struct ExecSpec {
  std::vector<std::string> command{};
  std::vector<std::string> env{};
  std::string workdir{};
  std::string user{};
  bool tty = false;
  WindowSize size{};
};

struct Request {
  Ask ask = Ask::zones;
  std::string zone{};                         // name or id
  std::optional<model::ZoneSpec> spec{};      // launch
  std::optional<ExecSpec> exec{};             // exec
  Json resources = Json::object();            // update: what is to change
  std::optional<std::uint32_t> patience_s{};  // stop: after which the zone is destroyed
  bool until_restart = false;                 // stop: the next daemon starts again what is to be
  bool follow = false;                        // logs: what comes later too
  bool kernel = false;                        // logs: of the zone's kernel
  std::optional<std::uint32_t> tail{};        // logs: the last so many lines; nothing: all
};

// One line without its newline. Fails with invalid_input or limit, and words for the client.
common::Result<Request> parse_request(std::string_view line);
Json request_json(const Request& request);

// All but the list of zones, one zone and the host are for those who may change something.
bool needs_right(Ask ask);
std::string_view name_of(Ask ask);

// What is told of a zone: brief leaves out its command and environment, which may be long and hold passwords;
// restricted besides the words about what failed, which name the command.
enum class Disclosure : std::uint8_t { full, brief, restricted };

Json zone_json(const ZoneView& view, Disclosure disclosure);
Json zones_json(const std::vector<ZoneView>& views, Disclosure disclosure);

// Lines of a stream, from the daemon.
Json log_json(const console::Line& line);
Json output_json(console::Stream stream, std::string_view bytes);  // of attach and exec
Json ended_json(const model::End& end);                            // the last one
// From the client of attach and exec: one of them a line.
struct Input {
  std::optional<std::string> bytes{};
  bool is_end = false;
  std::optional<WindowSize> size{};
  std::optional<std::uint32_t> signal{};
};
common::Result<Input> parse_input(std::string_view line);
Json input_json(const Input& input);
// The bytes of output_json; nothing: it is none.
std::optional<std::pair<console::Stream, std::string>> output_of(const Json& json);

inline constexpr std::size_t kMaxInputBytes = 16384;  // in one line

}  // namespace krata::control
