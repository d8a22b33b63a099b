#include "krata/image/platform.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "krata/image/text.h"

namespace krata::image {

namespace {

using Names = std::pair<std::string_view, std::string_view>;
constexpr std::array kGoNames{Names{"x86_64", "amd64"}, Names{"aarch64", "arm64"}, Names{"i686", "386"},
                              Names{"i386", "386"},     Names{"armv7l", "arm"},    Names{"armhf", "arm"}};

std::string go_name(std::string_view architecture) {
  const auto* known = std::ranges::find(kGoNames, architecture, &Names::first);
  return std::string(known == kGoNames.end() ? architecture : known->second);
}

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= 32 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

// The variant that the specification leaves out.
std::string_view usual_variant(std::string_view architecture) {
  if (architecture == "arm64") {
    return "v8";
  }
  return architecture == "amd64" ? "v1" : architecture == "arm" ? "v7" : "";
}

}  // namespace

common::Result<Platform> Platform::parse(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::string_view rest = text;;) {
    const auto slash = rest.find('/');
    parts.push_back(rest.substr(0, slash));
    if (slash == std::string_view::npos) {
      break;
    }
    rest.remove_prefix(slash + 1);
  }
  if (parts.size() < 2 || parts.size() > 3 || !std::ranges::all_of(parts, is_word)) {
    return refused("\"{}\" is no platform; write OS/ARCHITECTURE[/VARIANT], for example linux/amd64", printable(text));
  }
  return Platform{.os = std::string(parts[0]),
                  .architecture = go_name(parts[1]),
                  .variant = std::string(parts.size() == 3 ? parts[2] : "")};
}

Platform Platform::host() {
  struct utsname names{};
  ::uname(&names);
  return {.os = "linux", .architecture = go_name(names.machine), .variant = ""};
}

std::string Platform::text() const { return os + "/" + architecture + (variant.empty() ? "" : "/" + variant); }

int Platform::fitness(const Platform& offered) const {
  if (os != offered.os || architecture != go_name(offered.architecture)) {
    return 0;
  }
  const std::string_view usual = usual_variant(architecture);
  const std::string_view wanted = variant.empty() ? usual : variant;
  const std::string_view given = offered.variant.empty() ? usual : std::string_view(offered.variant);
  if (given == wanted) {
    return offered.variant == variant ? 3 : 2;
  }
  // Older variants run on newer machines; what was asked for by name is not exchanged for another.
  return variant.empty() && given < wanted ? 1 : 0;
}

}  // namespace krata::image
