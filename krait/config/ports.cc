#include "krait/config/ports.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "krait/abi/selector.h"
#include "krait/config/icmp_types.h"
#include "krait/config/load.h"

namespace krait::config {

namespace {

using Ranges = std::vector<model::SelectorRange>;
using Reading = std::expected<Ranges, Fault>;

constexpr std::uint32_t kTcp = 6;  // IANA, "Protocol Numbers"
constexpr std::uint32_t kUdp = 17;
constexpr std::uint32_t kSctp = 132;
constexpr std::uint32_t kIcmp = 1;
constexpr std::uint32_t kIcmpv6 = 58;
constexpr std::uint32_t kGre = 47;
constexpr std::uint32_t kEsp = 50;
constexpr std::uint32_t kMaxPort = 65535;
constexpr std::uint32_t kMaxType = 255;

// A stretch of selectors that belongs to one protocol.
struct Space {
  std::string_view name;
  std::uint32_t first;
  std::uint32_t size;
  std::uint32_t protocol;
};

constexpr auto kSpaces = std::to_array<Space>({
    {"tcp", KRAIT_SELECTOR_TCP, 65536, kTcp},
    {"udp", KRAIT_SELECTOR_UDP, 65536, kUdp},
    {"sctp", KRAIT_SELECTOR_SCTP, 65536, kSctp},
    {"icmp", KRAIT_SELECTOR_ICMP, 256, kIcmp},
    {"icmpv6", KRAIT_SELECTOR_ICMPV6, 256, kIcmpv6},
    {"proto", KRAIT_SELECTOR_PROTO, 256, 0},
});

constexpr const Space& kIcmpSpace = kSpaces[3];
constexpr const Space& kIcmpv6Space = kSpaces[4];
constexpr const Space& kProtoSpace = kSpaces[5];

constexpr std::string_view kForms =
    "write \"any\", \"tcp\", \"tcp/5432\", \"udp/8000-8100\", \"sctp/1\", \"icmp\", \"icmp/echo-request\", \"gre\", "
    "\"esp\" or "
    "\"proto/89\"";

bool has_ports(const Space& space) { return space.size > kMaxPort; }

const Space* space_named(std::string_view name) {
  const auto* const found = std::ranges::find(kSpaces, name, &Space::name);
  return found == kSpaces.end() ? nullptr : found;
}

model::SelectorRange all_of(const Space& space) { return {space.first, space.first + space.size - 1}; }

// Decimal without sign, white space and leading zeros.
std::optional<std::uint32_t> number(std::string_view text, std::uint32_t most) {
  std::uint32_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end || value > most || (text.size() > 1 && text.front() == '0')) {
    return std::nullopt;
  }
  return value;
}

Reading read_ports(const Space& space, std::string_view ports) {
  const auto dash = ports.find('-');
  const std::string_view low = ports.substr(0, dash);
  const auto first = number(low, kMaxPort);
  const auto last = dash == std::string_view::npos ? first : number(ports.substr(dash + 1), kMaxPort);
  if (ports == "*" || ports == "any") {
    return fault(fmt::format("{} is no port", in_quotes(ports)), fmt::format("write \"{}\" for all ports", space.name));
  }
  if (!first || !last || *first == 0 || *last == 0) {
    return fault(fmt::format("bad port {}", in_quotes(ports)),
                 fmt::format("write a port 1-65535 or a range: \"{0}/5432\", \"{0}/8000-8100\"", space.name));
  }
  if (*first > *last) {
    return fault(fmt::format("the port range {} runs backwards", in_quotes(ports)),
                 fmt::format("write \"{}/{}-{}\"", space.name, *last, *first));
  }
  return Ranges{{space.first + *first, space.first + *last}};
}

Reading unknown_type(const Space& space, std::string_view type) {
  const std::string hint = did_you_mean(type, icmp_names());
  return fault(fmt::format("unknown ICMP type {}", in_quotes(type)),
               hint.empty() ? fmt::format("write a number 0-255 or a name: \"{}/echo-request\"", space.name) : hint);
}

// `both`: a name counts for each family that has it.
Reading read_type(const Space& space, std::string_view type, bool both) {
  if (const auto value = number(type, kMaxType)) {
    return Ranges{{space.first + *value, space.first + *value}};
  }
  const auto types = icmp_types(type);
  if (!types) {
    return unknown_type(space, type);
  }
  Ranges ranges;
  if (types->v4 && (both || &space == &kIcmpSpace)) {
    ranges.push_back({kIcmpSpace.first + *types->v4, kIcmpSpace.first + *types->v4});
  }
  if (types->v6 && (both || &space == &kIcmpv6Space)) {
    ranges.push_back({kIcmpv6Space.first + *types->v6, kIcmpv6Space.first + *types->v6});
  }
  if (ranges.empty()) {
    const bool v6 = &space == &kIcmpv6Space;
    return fault(fmt::format("{} is a type of {} only", in_quotes(type), v6 ? "ICMP for IPv4" : "ICMPv6"),
                 fmt::format("write \"{}/{}\"", v6 ? "icmp" : "icmpv6", type));
  }
  return ranges;
}

// A protocol that has selectors of its own means these, whether it is written by name or by number.
model::SelectorRange protocol_range(std::uint32_t protocol) {
  for (const Space& space : kSpaces) {
    if (space.protocol == protocol && &space != &kProtoSpace) {
      return all_of(space);
    }
  }
  return {kProtoSpace.first + protocol, kProtoSpace.first + protocol};
}

Reading read_protocol(std::string_view text) {
  const auto protocol = number(text, kMaxType);
  if (!protocol) {
    return fault(fmt::format("bad protocol number {}", in_quotes(text)), "write a number 0-255: \"proto/89\"");
  }
  return Ranges{protocol_range(*protocol)};
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// Those that have a name and are one.
constexpr auto kProtocols = std::to_array<std::string_view>({"tcp", "udp", "sctp", "icmp", "icmpv6", "gre", "esp"});

// What the usual slips were meant to be.
Fault unknown_protocol(std::string_view text) {
  const std::string message = fmt::format("unknown protocol or port {}", in_quotes(text));
  if (text.size() > 64) {
    return {message, std::string(kForms)};
  }
  if (number(text, kMaxPort)) {
    return {message, fmt::format("write \"tcp/{0}\" or \"udp/{0}\"", text)};
  }
  std::string guess = lower(text);
  std::erase(guess, ' ');
  std::ranges::replace(guess, ':', '/');
  const auto slash = guess.find('/');
  if (guess == "*" || guess == "all" || guess == "ip") {
    guess = "any";
  } else if (guess == "ping") {
    guess = "icmp/echo-request";
  } else if (guess == "ah") {
    guess = "proto/51";
  } else if (guess.starts_with("ip/")) {
    guess = "proto" + guess.substr(2);
  } else if (slash != std::string::npos && space_named(guess.substr(slash + 1)) != nullptr) {
    guess = guess.substr(slash + 1) + "/" + guess.substr(0, slash);  // 5432/tcp
  } else if (space_named(guess.substr(0, slash)) == nullptr) {
    constexpr auto kWords =
        std::to_array<std::string_view>({"any", "tcp", "udp", "sctp", "icmp", "icmpv6", "gre", "esp", "proto"});
    const std::string_view near = nearest(guess.substr(0, slash), kWords);
    guess = near.empty() ? "" : std::string(near) + (slash == std::string::npos ? "" : guess.substr(slash));
  }
  if (!guess.empty() && guess != text && read_port(guess)) {
    return {message, fmt::format("did you mean \"{}\"?", guess)};
  }
  return {message, std::string(kForms)};
}

std::string type_text(const Space& space, std::uint32_t type) {
  const auto byte = static_cast<std::uint8_t>(type);
  const std::string_view name = &space == &kIcmpSpace ? icmp_name(byte) : icmpv6_name(byte);
  return name.empty() ? fmt::format("{}/{}", space.name, type) : fmt::format("{}/{}", space.name, name);
}

// `first` and `last` count from the space's beginning.
std::string part_text(const Space& space, std::uint32_t first, std::uint32_t last) {
  if (first != last) {
    return fmt::format("{}/{}-{}", space.name, first, last);
  }
  if (&space == &kProtoSpace) {
    return first == kGre ? "gre" : first == kEsp ? "esp" : fmt::format("proto/{}", first);
  }
  return has_ports(space) ? fmt::format("{}/{}", space.name, first) : type_text(space, first);
}

// What to give in place of a type that the protocol does not have, where protocol and type are given apart.
std::string type_hint(const Space& space, std::string_view type) {
  if (icmp_types(type)) {
    return fmt::format("give --proto {}", &space == &kIcmpSpace ? kIcmpv6Space.name : kIcmpSpace.name);
  }
  const std::string hint = did_you_mean(type, icmp_names());
  return hint.empty() ? "give --type a number 0-255 or a name such as echo-request" : hint;
}

common::Error wrong_use(std::string message) { return {common::ErrorCode::invalid_input, std::move(message)}; }

}  // namespace

Reading read_port(std::string_view text) {
  if (text == "any") {
    return Ranges{{0, KRAIT_SELECTORS - 1}};
  }
  if (text == "icmp") {
    return Ranges{{KRAIT_SELECTOR_ICMP, KRAIT_SELECTOR_PROTO - 1}};
  }
  if (text == "gre" || text == "esp") {
    return Ranges{protocol_range(text == "gre" ? kGre : kEsp)};
  }
  const auto slash = text.find('/');
  const Space* const space = space_named(text.substr(0, slash));
  if (space == nullptr || (space == &kProtoSpace && slash == std::string_view::npos)) {
    return std::unexpected(unknown_protocol(text));
  }
  if (slash == std::string_view::npos) {
    return Ranges{all_of(*space)};
  }
  const std::string_view rest = text.substr(slash + 1);
  if (space == &kProtoSpace) {
    return read_protocol(rest);
  }
  return has_ports(*space) ? read_ports(*space, rest) : read_type(*space, rest, space == &kIcmpSpace);
}

Ranges normalized(Ranges ranges) {
  std::ranges::sort(ranges);
  Ranges joined;
  for (const model::SelectorRange& range : ranges) {
    if (!joined.empty() && range.first <= joined.back().last + 1) {
      joined.back().last = std::max(joined.back().last, range.last);
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

std::string selector_text(model::SelectorRange range) {
  if (range == model::SelectorRange{0, KRAIT_SELECTORS - 1}) {
    return "any";
  }
  std::string text;
  const auto add = [&](std::string part) { text += (text.empty() ? "" : ", ") + std::move(part); };
  const bool both_icmp = range.first <= KRAIT_SELECTOR_ICMP && range.last >= KRAIT_SELECTOR_PROTO - 1;
  for (const Space& space : kSpaces) {
    const model::SelectorRange all = all_of(space);
    if (range.last < all.first || range.first > all.last || (both_icmp && &space == &kIcmpv6Space)) {
      continue;
    }
    const std::uint32_t first = std::max(range.first, all.first) - all.first;
    const std::uint32_t last = std::min(range.last, all.last) - all.first;
    if (first != 0 || last != space.size - 1 || &space == &kProtoSpace) {
      add(part_text(space, first, last));
    } else {
      add(&space == &kIcmpSpace && !both_icmp ? "proto/1" : std::string(space.name));
    }
  }
  return text;
}

common::Result<std::uint32_t> selector_of(std::string_view protocol, std::optional<std::uint32_t> port,
                                          std::optional<std::string_view> type) {
  std::string name(protocol);
  if (number(protocol, kMaxType)) {
    name = "proto/" + name;
  }
  const auto slash = name.find('/');
  const bool is_several = name == "any" || (slash != std::string::npos && !name.starts_with("proto/"));
  const Reading ranges = is_several ? Ranges() : read_port(name);
  if (!ranges || ranges->empty()) {
    const std::string hint = did_you_mean(lower(protocol), kProtocols);
    return wrong_use(
        fmt::format("{} is not one protocol; {}", in_quotes(protocol),
                    hint.empty() ? "write tcp, udp, sctp, icmp, icmpv6, gre, esp or a protocol number 0-255" : hint));
  }
  const std::uint32_t first = ranges->front().first;
  const auto* const space =
      std::ranges::find_if(kSpaces, [&](const Space& s) { return first >= s.first && first - s.first < s.size; });
  const bool wants_port = has_ports(*space);
  const bool wants_type = !wants_port && space != &kProtoSpace;
  if (wants_port != port.has_value()) {
    return wrong_use(wants_port ? fmt::format("{} has ports; give --port", name)
                                : fmt::format("{} has no ports; leave --port out", name));
  }
  if (wants_type != type.has_value()) {
    return wrong_use(wants_type ? fmt::format("{} has types; give --type", name)
                                : fmt::format("{} has no types; leave --type out", name));
  }
  if (wants_port) {
    if (*port == 0 || *port > kMaxPort) {
      return wrong_use(fmt::format("bad port {}; give --port 1 to 65535", *port));
    }
    return first + *port;
  }
  if (!wants_type) {
    return first;
  }
  const Reading one = read_type(*space, *type, false);
  if (!one) {
    return wrong_use(fmt::format("{}; {}", one.error().message, type_hint(*space, *type)));
  }
  return one->front().first;
}

}  // namespace krait::config
