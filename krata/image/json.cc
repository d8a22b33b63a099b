#include "krata/image/json.h"

#include "common/json.h"
#include "krata/image/limits.h"
#include "krata/image/text.h"

namespace krata::image {

namespace {

common::Result<Json> parse(std::string_view text, std::string_view what) {
  if (text.size() > limits::kDocumentBytes) {
    return refused("{} is larger than {} bytes", what, limits::kDocumentBytes);
  }
  if (common::json_shape(text).depth > common::kMaxJsonDepth) {
    return refused("{} is nested deeper than {}", what, common::kMaxJsonDepth);
  }
  return parse_json(text);
}

}  // namespace

Json parse_json(std::string_view text) { return Json::parse(text, nullptr, false); }

common::Result<Json> parse_object(std::string_view text, std::string_view what) {
  auto json = parse(text, what);
  return json && !json->is_object() ? refused("{} is no JSON object", what) : json;
}

common::Result<Json> parse_array(std::string_view text, std::string_view what) {
  auto json = parse(text, what);
  return json && !json->is_array() ? refused("{} is no JSON list", what) : json;
}

const Json& member(const Json& object, const char* key) {
  static const Json kNull;
  if (!object.is_object()) {
    return kNull;
  }
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::optional<std::string> text_in(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
}

std::optional<std::uint64_t> number_in(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_number_unsigned() ? std::optional(value.get<std::uint64_t>()) : std::nullopt;
}

}  // namespace krata::image
