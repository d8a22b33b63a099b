#include "krait/config/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <string>

#include "krait/config/table.h"

namespace krait::config {

namespace {

std::string powers_around(const model::LimitKey& key, std::uint32_t number) {
  const std::uint32_t below = std::bit_floor(number);
  return below == key.most ? fmt::format("write {}", below) : fmt::format("write {} or {}", below, 2 * below);
}

void read_limit(const model::LimitKey& key, const Value& value, model::Limits& limits, Findings& findings) {
  const std::int64_t number = value.integer();
  if (number < key.least || number > key.most) {
    findings.add(
        value.at, fmt::format("bad {} {}", key.name, number),
        fmt::format("write a {} from {} to {}", key.power_of_two ? "power of two" : "number", key.least, key.most));
    return;
  }
  const auto limit = static_cast<std::uint32_t>(number);
  if (key.power_of_two && !std::has_single_bit(limit)) {
    findings.add(value.at, fmt::format("bad {} {}: not a power of two", key.name, number), powers_around(key, limit));
    return;
  }
  limits.*key.value = limit;
}

}  // namespace

model::Limits read_limits(const Value& value, Findings& findings) {
  model::Limits limits;
  std::array<std::string, model::kLimitKeys.size()> examples;
  std::array<Key, model::kLimitKeys.size()> keys;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const model::LimitKey& key = model::kLimitKeys[i];
    examples[i] = fmt::format("{} = {}", key.name, limits.*key.value);
    keys[i] = {key.name, Shape::integer, false, examples[i]};
  }
  const Table table(value, "[limits]", keys, findings);
  for (const model::LimitKey& key : model::kLimitKeys) {
    if (const Value* number = table.find(key.name)) {
      read_limit(key, *number, limits, findings);
    }
  }
  return limits;
}

}  // namespace krait::config
