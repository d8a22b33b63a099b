// Who is to be told of which changes. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "krata/store/path.h"

namespace krata::store {

using ConnectionId = std::uint64_t;

struct Watch {
  ConnectionId connection = 0;
  std::string path;   // absolute, or special
  std::string given;  // as the client wrote it
  std::string token;
  std::optional<std::uint32_t> depth;  // how many levels below `path`; for special paths 1: name the domain too

  // The path of an event as its client is to read it: relative if the watch was.
  [[nodiscard]] std::string shown(std::string_view event_path) const;
};

class WatchTable {
 public:
  // False: the connection has a watch of this path and token already.
  bool add(Watch watch);
  bool remove(ConnectionId connection, std::string_view path, std::string_view token);
  void remove_all(ConnectionId connection);

  [[nodiscard]] bool contains(ConnectionId connection, std::string_view path, std::string_view token) const;
  [[nodiscard]] std::uint32_t count(ConnectionId connection) const;
  // In the order in which they were set.
  [[nodiscard]] std::vector<const Watch*> all() const;
  // Those that an event on `path` concerns, in that order; exact: of this path only. Pointers hold until the next
  // change.
  [[nodiscard]] std::vector<const Watch*> matches(std::string_view path, bool exact) const;

 private:
  struct Entry {
    Watch watch;
    std::uint64_t order = 0;
  };
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  using Entries = std::vector<Entry>;

  static std::vector<const Watch*> ordered(std::vector<const Entry*> entries);

  std::unordered_map<std::string, Entries, Hash, std::equal_to<>> by_path_;
  std::unordered_map<ConnectionId, std::uint32_t> counts_;
  std::uint64_t next_order_ = 0;
};

}  // namespace krata::store
