// JSON of strangers.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"

namespace krata::image {

// Not the ordered one, which looks for each key among all before it: an object of many would take minutes.
using Json = nlohmann::json;

Json parse_json(std::string_view text);  // of bounded size and depth; is_discarded() where it is none

// One object of at most limits::kDocumentBytes, nested at most common::kMaxJsonDepth deep. `what` names it in errors,
// all of which are invalid_input. Of equal keys the last one counts.
common::Result<Json> parse_object(std::string_view text, std::string_view what);
common::Result<Json> parse_array(std::string_view text, std::string_view what);  // the same of a list

// A member of an object; nothing where it is missing or of another kind.
std::optional<std::string> text_in(const Json& object, const char* key);
std::optional<std::uint64_t> number_in(const Json& object, const char* key);
const Json& member(const Json& object, const char* key);  // null where it is missing

}  // namespace krata::image
