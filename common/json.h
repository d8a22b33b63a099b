// JSON as all programs here use it, and how to read members of it. What was received may be another version's, or
// nothing of ours: a member that is missing or of another kind, or the member of what is no object, reads as nothing.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace common {

// ordered: people read what is written too, and the golden tests compare it.
using Json = nlohmann::ordered_json;

// Copying and ending a value take stack for each level of it: a stranger's is no deeper.
inline constexpr std::size_t kMaxJsonDepth = 64;

Json parse_json(std::string_view text);  // is_discarded() where it is none, or too deep
// What a text would become at most, whether or not it is JSON; found out without memory.
struct JsonShape {
  std::size_t depth = 0;
  std::size_t parts = 0;  // values and names: each costs up to 100 bytes, be it an empty list of two
};
JsonShape json_shape(std::string_view text);

const Json* find_member(const Json& json, const char* key);                   // else nullptr
std::optional<std::uint64_t> find_number(const Json& json, const char* key);  // whole and not negative
std::uint64_t number_at(const Json& json, const char* key);                   // else 0
std::string text_at(const Json& json, const char* key, std::string_view otherwise = "");
bool truth_at(const Json& json, const char* key);          // else false
const Json& object_at(const Json& json, const char* key);  // else an empty one
const Json& list_at(const Json& json, const char* key);    // else an empty one

}  // namespace common
