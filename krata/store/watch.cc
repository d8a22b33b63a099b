#include "krata/store/watch.h"

#include <algorithm>

namespace krata::store {

std::string Watch::shown(std::string_view event_path) const {
  // Both lie below the same folder, which the client did not write.
  const std::size_t unwritten = path.size() - given.size();
  return std::string(event_path.substr(unwritten));
}

bool WatchTable::contains(ConnectionId connection, std::string_view path, std::string_view token) const {
  const auto found = by_path_.find(path);
  return found != by_path_.end() && std::ranges::any_of(found->second, [&](const Entry& entry) {
           return entry.watch.connection == connection && entry.watch.token == token;
         });
}

bool WatchTable::add(Watch watch) {
  if (contains(watch.connection, watch.path, watch.token)) {
    return false;
  }
  Entries& entries = by_path_[watch.path];
  ++counts_[watch.connection];
  entries.push_back({.watch = std::move(watch), .order = next_order_++});
  return true;
}

bool WatchTable::remove(ConnectionId connection, std::string_view path, std::string_view token) {
  const auto found = by_path_.find(path);
  if (found == by_path_.end()) {
    return false;
  }
  const auto removed = std::erase_if(found->second, [&](const Entry& entry) {
    return entry.watch.connection == connection && entry.watch.token == token;
  });
  if (found->second.empty()) {
    by_path_.erase(found);
  }
  if (removed == 0) {
    return false;
  }
  if (const auto count = counts_.find(connection); --count->second == 0) {
    counts_.erase(count);
  }
  return true;
}

void WatchTable::remove_all(ConnectionId connection) {
  if (counts_.erase(connection) == 0) {
    return;
  }
  for (auto& [path, entries] : by_path_) {
    std::erase_if(entries, [&](const Entry& entry) { return entry.watch.connection == connection; });
  }
  std::erase_if(by_path_, [](const auto& entry) { return entry.second.empty(); });
}

std::uint32_t WatchTable::count(ConnectionId connection) const {
  const auto found = counts_.find(connection);
  return found == counts_.end() ? 0 : found->second;
}

std::vector<const Watch*> WatchTable::ordered(std::vector<const Entry*> entries) {
  std::ranges::sort(entries, {}, &Entry::order);
  std::vector<const Watch*> watches;
  watches.reserve(entries.size());
  for (const Entry* entry : entries) {
    watches.push_back(&entry->watch);
  }
  return watches;
}

std::vector<const Watch*> WatchTable::all() const {
  std::vector<const Entry*> found;
  for (const auto& [path, entries] : by_path_) {
    for (const Entry& entry : entries) {
      found.push_back(&entry);
    }
  }
  return ordered(std::move(found));
}

std::vector<const Watch*> WatchTable::matches(std::string_view path, bool exact) const {
  std::vector<const Entry*> found;
  for (std::string_view watched = path;; watched = parent_of(watched)) {
    if (const auto at = by_path_.find(watched); at != by_path_.end()) {
      for (const Entry& entry : at->second) {
        if (!entry.watch.depth || is_special(path) || levels_between(path, watched) <= *entry.watch.depth) {
          found.push_back(&entry);
        }
      }
    }
    if (exact || watched == "/" || is_special(path)) {
      return ordered(std::move(found));
    }
  }
}

}  // namespace krata::store
