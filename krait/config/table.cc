#include "krait/config/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace krait::config {

namespace {

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::text:
      return "a string";
    case Kind::integer:
      return "an integer";
    case Kind::fraction:
      return "a number with a fraction";
    case Kind::truth:
      return "true or false";
    case Kind::time:
      return "a date or time";
    case Kind::list:
      return "a list";
    case Kind::table:
      return "a table";
  }
  return "something else";
}

std::string_view name_of(Shape shape) {
  switch (shape) {
    case Shape::text:
      return "a string";
    case Shape::integer:
      return "an integer";
    case Shape::truth:
      return "true or false";
    case Shape::texts:
    case Shape::text_or_texts:
      return "a list of strings";
    case Shape::table:
      return "a table";
    case Shape::tables:
      return "a list of tables";
  }
  return "something else";
}

std::string write(std::string_view example) { return fmt::format("write {}", example); }

// A list with some wrong elements still counts for the others.
bool check_list(const Key& key, const Value& value, Kind element, Findings& findings) {
  if (value.items().empty()) {
    findings.add(value.at, fmt::format("{} is an empty list", in_quotes(key.name)),
                 key.required ? write(key.example) : fmt::format("remove it or write {}", key.example));
    return false;
  }
  for (const Value& item : value.items()) {
    if (findings.settled(item.at)) {
      break;
    }
    if (item.kind != element) {
      findings.add(item.at,
                   fmt::format("{} lists {}, not {}", in_quotes(key.name), element == Kind::text ? "strings" : "tables",
                               name_of(item.kind)),
                   write(key.example));
    }
  }
  return true;
}

// Whether the value has the shape; says what is wrong if not.
bool check_shape(const Key& key, const Value& value, Findings& findings) {
  switch (key.shape) {
    case Shape::text:
      if (value.kind == Kind::text) {
        return true;
      }
      break;
    case Shape::integer:
      if (value.kind == Kind::integer) {
        return true;
      }
      break;
    case Shape::truth:
      if (value.kind == Kind::truth) {
        return true;
      }
      break;
    case Shape::table:
      if (value.kind == Kind::table) {
        return true;
      }
      break;
    case Shape::text_or_texts:
      if (value.kind == Kind::text) {
        return true;
      }
      [[fallthrough]];
    case Shape::texts:
    case Shape::tables:
      if (value.kind == Kind::list) {
        return check_list(key, value, key.shape == Shape::tables ? Kind::table : Kind::text, findings);
      }
      break;
  }
  const bool lacks_quotes = key.shape == Shape::text && value.kind == Kind::time;
  findings.add(value.at,
               fmt::format("{} must be {}, not {}", in_quotes(key.name), name_of(key.shape), name_of(value.kind)),
               lacks_quotes ? fmt::format("put it in quotes, as in {}", key.example) : write(key.example));
  return false;
}

}  // namespace

Table::Table(const Value& table, std::string_view what, std::span<const Key> keys, Findings& findings) : at_(table.at) {
  slots_.reserve(keys.size());
  for (const Entry& entry : table.entries()) {
    const auto key = std::ranges::find(keys, entry.key, &Key::name);
    if (key != keys.end()) {
      slots_.push_back({key->name, check_shape(*key, entry.value, findings) ? &entry.value : nullptr});
    } else if (!findings.settled(entry.at)) {
      std::vector<std::string_view> names;
      std::ranges::transform(keys, std::back_inserter(names), &Key::name);
      const std::string hint = did_you_mean(entry.key, names);
      findings.add(entry.at, fmt::format("unknown key {} in {}", in_quotes(entry.key), what),
                   hint.empty() ? fmt::format("known here: {}", fmt::join(names, ", ")) : hint);
    }
  }
  std::vector<std::string> missing;
  std::vector<std::string_view> examples;
  for (const Key& key : keys) {
    if (key.required && std::ranges::find(slots_, key.name, &Slot::key) == slots_.end()) {
      missing.push_back(in_quotes(key.name));
      examples.push_back(key.example);
    }
  }
  if (!missing.empty()) {
    findings.add(at_, fmt::format("{} lacks {}", what, fmt::join(missing, ", ")),
                 fmt::format("add {}", fmt::join(examples, ", ")));
  }
}

const Value* Table::find(std::string_view key) const {
  const auto slot = std::ranges::find(slots_, key, &Slot::key);
  return slot == slots_.end() ? nullptr : slot->value;
}

Text Table::text(std::string_view key) const {
  const Value* value = find(key);
  return value == nullptr ? Text{{}, at_} : Text{value->text(), value->at};
}

bool Table::truth(std::string_view key) const {
  const Value* value = find(key);
  return value != nullptr && value->truth();
}

std::vector<Text> Table::texts(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) {
    return {};
  }
  if (value->kind == Kind::text) {
    return {{value->text(), value->at}};
  }
  std::vector<Text> texts;
  texts.reserve(value->items().size());
  for (const Value& item : value->items()) {
    if (item.kind == Kind::text) {
      texts.push_back({item.text(), item.at});
    }
  }
  return texts;
}

std::vector<const Value*> Table::tables(std::string_view key) const {
  const Value* value = find(key);
  std::vector<const Value*> tables;
  if (value != nullptr) {
    for (const Value& item : value->items()) {
      if (item.kind == Kind::table) {
        tables.push_back(&item);
      }
    }
  }
  return tables;
}

}  // namespace krait::config
