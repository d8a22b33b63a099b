#include "krata/image/reference.h"

#include <algorithm>
#include <charconv>

#include "common/ip.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Result;

namespace {

constexpr std::size_t kMaxNameBytes = 255;  // distribution-spec: host and repository together
constexpr std::size_t kMaxTagBytes = 128;   // distribution-spec: [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

bool is_tag(std::string_view text) {
  const auto is_word = [](char c) { return is_lower_or_digit(c) || is_upper(c) || c == '_'; };
  return !text.empty() && text.size() <= kMaxTagBytes && is_word(text.front()) &&
         std::ranges::all_of(text, [&](char c) { return is_word(c) || c == '.' || c == '-'; });
}

// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
bool is_path_part(std::string_view text) {
  if (text.empty() || !is_lower_or_digit(text.front()) || !is_lower_or_digit(text.back())) {
    return false;
  }
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto word = std::ranges::find_if_not(rest, is_lower_or_digit) - rest.begin();
    rest.remove_prefix(static_cast<std::size_t>(word));
    const auto gap =
        rest.substr(0, static_cast<std::size_t>(std::ranges::find_if(rest, is_lower_or_digit) - rest.begin()));
    if (!gap.empty() && gap != "." && gap != "_" && gap != "__" &&
        gap.find_first_not_of('-') != std::string_view::npos) {
      return false;
    }
    rest.remove_prefix(gap.size());
  }
  return true;
}

bool is_repository(std::string_view text) {
  for (;;) {
    const auto slash = text.find('/');
    if (!is_path_part(text.substr(0, slash))) {
      return false;
    }
    if (slash == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(slash + 1);
  }
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

struct HostPort {
  std::string_view name;
  std::string_view port;  // empty: none
  bool good = false;
};

HostPort split_host(std::string_view text) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) {
      return {};
    }
    const std::string_view rest = text.substr(end + 1);
    const auto ip = common::Ip::parse(text.substr(1, end - 1));
    return {.name = text.substr(1, end - 1),
            .port = rest.empty() ? rest : rest.substr(1),
            .good = ip && ip->family == common::Family::v6 &&
                    (rest.empty() || (rest[0] == ':' && is_port(rest.substr(1))))};
  }
  const auto colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const auto is_host_character = [](char c) { return is_lower_or_digit(c) || is_upper(c) || c == '.' || c == '-'; };
  const bool good_name = !name.empty() && name.front() != '-' && name.front() != '.' && name.back() != '-' &&
                         !name.contains("..") && std::ranges::all_of(name, is_host_character);
  const std::string_view port = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  return {.name = name, .port = port, .good = good_name && (colon == std::string_view::npos || is_port(port))};
}

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(), [](char c) { return is_upper(c) ? static_cast<char>(c + 32) : c; });
  return lowered;
}

// Whether the part before the first slash is a host: by a dot, a colon, or being localhost. Not by capitals, as Docker
// has it besides: the host is written in small letters, and would be no host when it is read again.
bool names_host(std::string_view first, bool followed) {
  return followed && (first.find_first_of(".:[") != std::string_view::npos || lower(first) == "localhost");
}

// Takes "@DIGEST" and ":TAG" off the end of `rest`.
Result<void> take_tag(std::string_view& rest, Reference& reference) {
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    KRAIT_TRY(auto digest, ContentDigest::parse(rest.substr(at + 1)));
    reference.digest = std::move(digest);
    rest = rest.substr(0, at);
  }
  const auto colon = rest.rfind(':');
  const auto slash = rest.rfind('/');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || slash < colon)) {
    reference.tag = rest.substr(colon + 1);
    if (!is_tag(reference.tag)) {
      return refused("\"{}\" is no tag", printable(reference.tag));
    }
    rest = rest.substr(0, colon);
  } else if (!reference.digest) {
    reference.tag = "latest";
  }
  return {};
}

}  // namespace

bool is_loopback_host(std::string_view host_name) {
  if (host_name == "localhost") {
    return true;
  }
  const auto ip = common::Ip::parse(host_name);
  static const auto kV4 = common::Prefix::parse("127.0.0.0/8");
  static const auto kV6 = common::Prefix::parse("::1/128");
  return ip && ((kV4 && kV4->contains(*ip)) || (kV6 && kV6->contains(*ip)));
}

Result<Reference> Reference::parse(std::string_view text, std::string_view default_registry) {
  Reference reference{};
  std::string_view rest = text;
  const auto slash = text.find('/');
  if (names_host(text.substr(0, slash), slash != std::string_view::npos)) {
    reference.host = lower(text.substr(0, slash));
    rest = text.substr(slash + 1);
  } else if (!default_registry.empty()) {
    reference.host = lower(default_registry);
  } else {
    return refused("\"{}\" names no registry; write HOST/NAME, for example registry.example/{}, or set KRATA_REGISTRY",
                   printable(text), printable(text));
  }
  KRAIT_CHECK(take_tag(rest, reference), printable(text));
  if (!split_host(reference.host).good) {
    return refused("\"{}\": \"{}\" is no host", printable(text), printable(reference.host));
  }
  if (!is_repository(rest) || reference.host.size() + rest.size() + 1 > kMaxNameBytes) {
    return refused(
        "\"{}\": \"{}\" is no repository; its parts are lower-case letters and digits, joined by . _ - and /",
        printable(text), printable(rest));
  }
  reference.repository = rest;
  return reference;
}

std::string Reference::text() const {
  return host + "/" + repository + (tag.empty() ? "" : ":" + tag) + (digest ? "@" + digest->text() : "");
}

std::string Reference::host_name() const { return std::string(split_host(host).name); }

bool Reference::is_loopback() const { return is_loopback_host(host_name()); }

Result<SourceName> parse_source(std::string_view text, std::string_view default_registry) {
  constexpr std::string_view kLayout = "oci:";
  constexpr std::string_view kArchive = "docker-archive:";
  if (text.starts_with(kLayout)) {
    const std::string_view rest = text.substr(kLayout.size());
    const auto colon = rest.find(':');
    LayoutName name{.folder = std::string(rest.substr(0, colon)),
                    .ref_name = std::string(colon == std::string_view::npos ? "" : rest.substr(colon + 1))};
    if (name.folder.empty() || (colon != std::string_view::npos && name.ref_name.empty())) {
      return refused("\"{}\": write oci:DIR or oci:DIR:TAG", printable(text));
    }
    return name;
  }
  if (text.starts_with(kArchive)) {
    ArchiveName name{.file = std::string(text.substr(kArchive.size()))};
    if (name.file.empty()) {
      return refused("\"{}\": write docker-archive:FILE", printable(text));
    }
    return name;
  }
  KRAIT_TRY(auto reference, Reference::parse(text, default_registry));
  return reference;
}

}  // namespace krata::image
