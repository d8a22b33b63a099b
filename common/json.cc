#include "common/json.h"

#include <algorithm>

namespace common {

JsonShape json_shape(std::string_view text) {
  JsonShape shape{.depth = 0, .parts = 1};
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      i += c == '\\' ? 1 : 0;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      shape.depth = std::max(shape.depth, ++depth);
      ++shape.parts;
    } else if (c == ',' || c == ':') {
      ++shape.parts;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return shape;
}

Json parse_json(std::string_view text) {
  return json_shape(text).depth <= kMaxJsonDepth ? Json::parse(text, nullptr, false) : Json(Json::value_t::discarded);
}

const Json* find_member(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() ? nullptr : &*found;
}

std::optional<std::uint64_t> find_number(const Json& json, const char* key) {
  const Json* found = find_member(json, key);
  if (found == nullptr || !found->is_number_integer() ||
      (!found->is_number_unsigned() && found->get<std::int64_t>() < 0)) {
    return std::nullopt;
  }
  return found->get<std::uint64_t>();
}

std::uint64_t number_at(const Json& json, const char* key) { return find_number(json, key).value_or(0); }

std::string text_at(const Json& json, const char* key, std::string_view otherwise) {
  const Json* found = find_member(json, key);
  return found != nullptr && found->is_string() ? found->get<std::string>() : std::string(otherwise);
}

bool truth_at(const Json& json, const char* key) {
  const Json* found = find_member(json, key);
  return found != nullptr && found->is_boolean() && found->get<bool>();
}

const Json& object_at(const Json& json, const char* key) {
  static const Json kNone = Json::object();
  const Json* found = find_member(json, key);
  return found != nullptr && found->is_object() ? *found : kNone;
}

const Json& list_at(const Json& json, const char* key) {
  static const Json kNone = Json::array();
  const Json* found = find_member(json, key);
  return found != nullptr && found->is_array() ? *found : kNone;
}

}  // namespace common
