#include "krait/config/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace krait::config {

namespace {

constexpr std::size_t kMaxNameBytes = 63;
constexpr std::size_t kMaxRuleNameCharacters = 128;
constexpr std::size_t kMaxInterfaceBytes = 15;  // IFNAMSIZ - 1

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_name_character(char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-'; }

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// The code point at the front of valid UTF-8, and its length.
std::pair<char32_t, std::size_t> first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t bytes = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  char32_t point = bytes == 1 ? lead : lead & (0x3fU >> (bytes - 1));
  for (std::size_t i = 1; i < bytes && i < text.size(); ++i) {
    point = (point << 6U) | (static_cast<unsigned char>(text[i]) & 0x3fU);
  }
  return {point, bytes};
}

// Control characters and those that turn the direction of text or break lines: they would garble a log.
bool is_printable(char32_t point) {
  const bool control = point < 0x20 || (point >= 0x7f && point < 0xa0);
  const bool format = (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
                      (point >= 0x2060 && point <= 0x206f) || point == 0xfeff;
  return !control && !format;
}

}  // namespace

std::optional<Fault> check_name(std::string_view name) {
  if (!name.empty() && name.size() <= kMaxNameBytes && is_letter_or_digit(name.front()) &&
      std::ranges::all_of(name, is_name_character)) {
    return std::nullopt;
  }
  return Fault{fmt::format("bad name {}", in_quotes(name)),
               "write 1 to 63 of A-Z a-z 0-9 . _ - and begin with a letter or digit"};
}

std::optional<Fault> check_rule_name(std::string_view name) {
  std::size_t characters = 0;
  for (std::string_view rest = name; !rest.empty(); ++characters) {
    const auto [point, bytes] = first_character(rest);
    if (!is_printable(point)) {
      return Fault{fmt::format("the rule name has the unprintable character U+{:04X}", static_cast<unsigned>(point)),
                   "remove it"};
    }
    rest.remove_prefix(std::min(bytes, rest.size()));
  }
  if (characters >= 1 && characters <= kMaxRuleNameCharacters) {
    return std::nullopt;
  }
  return Fault{fmt::format("the rule name has {} characters", characters), "write 1 to 128 characters"};
}

std::optional<Fault> check_interface(std::string_view name) {
  const auto refused = [](char c) { return c <= ' ' || c >= 0x7f || c == '/' || c == ':' || c == '%'; };
  if (!name.empty() && name.size() <= kMaxInterfaceBytes && name != "." && name != ".." &&
      std::ranges::none_of(name, refused)) {
    return std::nullopt;
  }
  return Fault{fmt::format("bad interface name {}", in_quotes(name)),
               "write 1 to 15 ASCII characters without space, /, : and %: \"wg0\""};
}

std::optional<Fault> check_path(std::string_view path) {
  if (path.empty()) {
    return Fault{"the path is empty", "write where the file is"};
  }
  if (std::ranges::any_of(path, is_control)) {
    return Fault{fmt::format("the path {} has a control character", in_quotes(path)), "remove it"};
  }
  return std::nullopt;
}

namespace {

struct Reserved {
  std::string_view prefix;
  std::string_view what;
};

// RFC 6890 and the registries it started: what can be nobody's address in a mesh.
constexpr auto kReserved = std::to_array<Reserved>({
    {"0.0.0.0/8", "\"this network\" (RFC 1122)"},
    {"127.0.0.0/8", "loopback"},
    {"224.0.0.0/4", "multicast"},
    {"255.255.255.255/32", "the broadcast address"},
    {"::/128", "the unspecified address"},
    {"::1/128", "loopback"},
    {"::ffff:0:0/96", "IPv4 written as IPv6"},
    {"fe80::/10", "link-local"},
    {"ff00::/8", "multicast"},
});

// Of the block that holds all of `prefix`.
std::string_view reserved_for(const common::Prefix& prefix) {
  struct Block {
    common::Prefix prefix;
    std::string_view what;
  };
  static const auto kBlocks = [] {
    std::array<Block, kReserved.size()> blocks;
    std::ranges::transform(kReserved, blocks.begin(), [](const Reserved& r) {
      return Block{common::Prefix::parse(r.prefix).value_or(common::Prefix{}), r.what};
    });
    return blocks;
  }();
  for (const Block& block : kBlocks) {
    if (prefix.length >= block.prefix.length && block.prefix.contains(prefix.ip)) {
      return block.what;
    }
  }
  return {};
}

bool is_mapped(const common::Ip& ip) {
  return ip.family == common::Family::v6 && ip.mapped() == ip.bytes &&
         std::all_of(ip.bytes.begin(), ip.bytes.begin() + 10, [](auto b) { return b == 0; }) && ip.bytes[10] == 0xff &&
         ip.bytes[11] == 0xff;
}

// The IPv4 address in ::ffff:a.b.c.d.
common::Ip unmapped(const common::Ip& ip) {
  common::Ip v4;
  std::copy(ip.bytes.begin() + 12, ip.bytes.end(), v4.bytes.begin());
  return v4;
}

}  // namespace

std::expected<common::Ip, Fault> read_address(std::string_view text) {
  const auto ip = common::Ip::parse(text);
  if (!ip) {
    const auto slash = text.find('/');
    if (slash != std::string_view::npos && common::Ip::parse(text.substr(0, slash))) {
      return fault(fmt::format("the address {} has a length", in_quotes(text)),
                   fmt::format("write \"{}\"; networks behind a host stand in \"routes\"", text.substr(0, slash)));
    }
    return fault(fmt::format("bad address {}", in_quotes(text)),
                 "write an IPv4 or IPv6 address: \"10.90.0.1\", \"fd90::1\"");
  }
  if (is_mapped(*ip)) {
    return fault(fmt::format("the address {} is IPv4 written as IPv6", in_quotes(text)),
                 fmt::format("write \"{}\"", unmapped(*ip).text()));
  }
  if (const auto what = reserved_for(common::Prefix::host(*ip)); !what.empty()) {
    return fault(fmt::format("the address {} is {}", in_quotes(text), what),
                 "write an address of the mesh's own network");
  }
  return *ip;
}

std::expected<common::Prefix, Fault> read_prefix(std::string_view text) {
  const auto prefix = common::Prefix::parse(text);
  if (!prefix) {
    if (const auto ip = common::Ip::parse(text)) {
      return fault(fmt::format("the prefix {} lacks its length", in_quotes(text)),
                   fmt::format("write \"{}\"", common::Prefix::host(*ip).text()));
    }
    return fault(fmt::format("bad prefix {}", in_quotes(text)),
                 "write address/length: \"10.20.0.0/16\", \"fd20::/48\"");
  }
  if (const auto what = reserved_for(*prefix); !what.empty()) {
    return fault(fmt::format("the prefix {} is {}", in_quotes(text), what), "write a network that hosts can have");
  }
  if (prefix->has_host_bits()) {
    return fault(fmt::format("the prefix {} has bits behind its length", in_quotes(text)),
                 fmt::format("write \"{}\"", prefix->masked().text()));
  }
  return *prefix;
}

namespace {

constexpr std::size_t kMaxHostBytes = 253;  // RFC 1035 2.3.4, as written
constexpr std::size_t kMaxLabelBytes = 63;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_label(std::string_view label) {
  const auto allowed = [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; };
  return !label.empty() && label.size() <= kMaxLabelBytes && label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label, allowed);
}

// A last label of digits alone is no name (RFC 3696 2): it is an address gone wrong.
bool is_host(std::string_view name) {
  if (name.ends_with('.')) {  // of the root: no search domains
    name.remove_suffix(1);
  }
  if (name.size() > kMaxHostBytes) {
    return false;
  }
  while (true) {
    const auto dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (!is_label(label)) {
      return false;
    }
    if (dot == std::string_view::npos) {
      return !std::ranges::all_of(label, is_digit);
    }
    name.remove_prefix(dot + 1);
  }
}

std::optional<model::NamedEndpoint> named_endpoint(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || !is_host(text.substr(0, colon))) {
    return std::nullopt;
  }
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size() || port == 0) {
    return std::nullopt;
  }
  return model::NamedEndpoint{std::string(text.substr(0, colon)), port};
}

}  // namespace

std::expected<PeerEndpoint, Fault> read_endpoint(std::string_view text) {
  constexpr std::string_view kForm =
      "write address:port or name:port: \"192.0.2.2:51820\", \"[2001:db8::2]:51820\", \"db1.example.net:51820\"";
  const auto endpoint = common::Endpoint::parse(text);
  if (!endpoint) {
    if (auto named = named_endpoint(text)) {
      return std::move(*named);
    }
    if (const auto ip = common::Ip::parse(text)) {
      return fault(fmt::format("the endpoint {} lacks its port", in_quotes(text)),
                   fmt::format("write \"{}\"", common::Endpoint{*ip, 51820}.text()));
    }
    if (is_host(text)) {
      return fault(fmt::format("the endpoint {} lacks its port", in_quotes(text)),
                   fmt::format("write \"{}:51820\"", text));
    }
    return fault(fmt::format("bad endpoint {}", in_quotes(text)), std::string(kForm));
  }
  if (is_mapped(endpoint->ip)) {
    return fault(fmt::format("the endpoint {} is IPv4 written as IPv6", in_quotes(text)),
                 fmt::format("write \"{}\"", common::Endpoint{unmapped(endpoint->ip), endpoint->port}.text()));
  }
  const auto what = reserved_for(common::Prefix::host(endpoint->ip));
  if (!what.empty() && what != "loopback") {
    return fault(fmt::format("the endpoint {} is {}", in_quotes(text), what), std::string(kForm));
  }
  return *endpoint;
}

std::expected<model::PublicKey, Fault> read_public_key(std::string_view text) {
  const auto key = model::parse_public_key(text);
  if (!key) {
    return fault("the public key is not 32 bytes in base64", "write the 44 characters that krait keygen prints");
  }
  if (*key == model::PublicKey{}) {
    return fault("the public key is all zero", "write the 44 characters that krait keygen prints");
  }
  return *key;
}

}  // namespace krait::config
