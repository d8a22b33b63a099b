#include "krait/config/document.h"

#include <fmt/format.h>

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 32  // more than guard.h lets through
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#include <toml++/toml.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include <optional>
#include <utility>

#include "krait/config/findings.h"
#include "krait/config/guard.h"

namespace krait::config {

namespace {

model::Position position_of(const toml::source_position& at) { return {at.line, at.column}; }

Value taken(toml::node& node);

Items taken_items(toml::array& list) {
  Items items;
  items.reserve(list.size());
  for (toml::node& node : list) {
    items.push_back(taken(node));
  }
  list.clear();
  return items;
}

Entries taken_entries(toml::table& table) {
  Entries entries;
  entries.reserve(table.size());
  for (auto&& [key, node] : table) {
    entries.push_back({std::string(key.str()), position_of(key.source().begin), taken(node)});
  }
  table.clear();
  return entries;
}

// Moves the strings out and frees each list and table once it is read, so that hardly more than one of the two trees is
// in memory. Recursion is bounded by the guard.
Value taken(toml::node& node) {
  Value value;
  value.at = position_of(node.source().begin);
  switch (node.type()) {
    case toml::node_type::table:
      value.kind = Kind::table;
      value.content = taken_entries(*node.as_table());
      break;
    case toml::node_type::array:
      value.kind = Kind::list;
      value.content = taken_items(*node.as_array());
      break;
    case toml::node_type::string:
      value.kind = Kind::text;
      value.content = std::move(node.as_string()->get());
      break;
    case toml::node_type::integer:
      value.kind = Kind::integer;
      value.content = node.as_integer()->get();
      break;
    case toml::node_type::floating_point:
      value.kind = Kind::fraction;
      break;
    case toml::node_type::boolean:
      value.kind = Kind::truth;
      break;
    default:
      value.kind = Kind::time;
      break;
  }
  return value;
}

// "Error while parsing key-value pair: cannot redefine existing string 'name'" in the words of this program.
Fault readable(std::string_view description) {
  constexpr std::string_view kPrefix = "Error while parsing ";
  if (description.starts_with(kPrefix)) {
    description.remove_prefix(kPrefix.size());
  }
  const auto colon = description.find(": ");
  const std::string_view what = colon == std::string_view::npos ? description : description.substr(colon + 2);
  if (what.starts_with("cannot redefine existing")) {
    const auto open = what.find('\'');
    const auto close = what.find('\'', open + 1);
    if (open != std::string_view::npos && close != std::string_view::npos) {
      return {fmt::format("{} stands here twice", quoted(what.substr(open + 1, close - open - 1))),
              "remove one of the two"};
    }
  }
  return {fmt::format("not valid TOML: {}", description), {}};
}

}  // namespace

common::Result<Value> parse_document(std::string_view text, const std::string& file) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) {
    text.remove_prefix(kByteOrderMark.size());
  }
  Findings findings(file);
  if (auto refusal = refuse(text)) {
    findings.add(refusal->at, std::move(refusal->fault));
    return std::move(findings).take();
  }
  toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    findings.add(position_of(parsed.error().source().begin), readable(parsed.error().description()));
    return std::move(findings).take();
  }
  Value root = taken(parsed.table());
  root.at = {1, 1};
  return root;
}

}  // namespace krait::config
