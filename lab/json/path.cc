#include "lab/json/path.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace lab {

using common::Json;

namespace {

using Found = std::vector<const Json*>;

Found members_of(const Found& from, std::string_view name) {
  const std::string key(name);
  Found found;
  for (const Json* json : from) {
    if (const Json* member = common::find_member(*json, key.c_str())) {
      found.push_back(member);
    }
  }
  return found;
}

bool has_member(const Json& json, std::string_view name, std::string_view text) {
  const Json* member = common::find_member(json, std::string(name).c_str());
  return member != nullptr && plain(*member) == text;
}

common::Result<Found> elements_of(const Found& from, std::string_view which) {
  const std::size_t equals = which.find('=');
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(which.data(), which.data() + which.size(), index);
  const bool is_index = error == std::errc{} && end == which.data() + which.size();
  if (!which.empty() && !is_index && equals == std::string_view::npos) {
    return common::Error(common::ErrorCode::invalid_input, fmt::format("[{}]: neither a number nor name=text", which));
  }
  const auto is_named = [&](const Json& json) {
    return which.empty() || has_member(json, which.substr(0, equals), which.substr(equals + 1));
  };
  Found found;
  for (const Json* json : from) {
    if (json->is_object() && equals != std::string_view::npos && is_named(*json)) {
      found.push_back(json);
    }
    if (!json->is_array()) {
      continue;
    }
    for (std::size_t i = 0; i < json->size(); ++i) {
      if (is_index ? i == index : is_named((*json)[i])) {
        found.push_back(&(*json)[i]);
      }
    }
  }
  return found;
}

}  // namespace

std::string plain(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

common::Result<Found> find_path(const Json& document, std::string_view path) {
  Found found = {&document};
  if (path == ".") {
    return found;
  }
  while (!path.empty()) {
    if (path.front() == '[') {
      const std::size_t end = path.find(']');
      if (end == std::string_view::npos) {
        return common::Error(common::ErrorCode::invalid_input, "a bracket is left open");
      }
      KRAIT_TRY(found, elements_of(found, path.substr(1, end - 1)));
      path.remove_prefix(end + 1);
      continue;
    }
    if (path.front() == '.') path.remove_prefix(1);
    const std::size_t end = std::min(path.find_first_of(".["), path.size());
    found = members_of(found, path.substr(0, end));
    path.remove_prefix(end);
  }
  return found;
}

}  // namespace lab
