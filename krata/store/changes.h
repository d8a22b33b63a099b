// What a request changes of all that has to outlive the process: the vocabulary between the store and its journal.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "krata/store/tree.h"
#include "krata/store/watch.h"

namespace krata::store {

// A node of a saved tree. Its parent comes before it, its siblings in the order in which they were created.
struct SavedNode {
  std::string path;
  std::string value;
  SharedPermissions permissions;
  std::uint64_t generation = 0;
};
// Ends a saved tree: generations go on from here.
struct SavedGeneration {
  std::uint64_t generation = 0;
};

enum class Special : std::uint8_t { introduce_domain, release_domain };
struct SpecialPermissions {
  Special special = Special::introduce_domain;
  Permissions permissions;
};

struct DomainIntroduced {
  DomainId domain = 0;
  std::uint64_t page = 0;  // the frame of its ring
  std::uint32_t port = 0;  // its event channel
};
struct DomainForgotten {
  DomainId domain = 0;
};
struct DomainTargeted {
  DomainId domain = 0;
  DomainId target = 0;
};
struct DomainShutDown {
  DomainId domain = 0;
  bool is_down = false;
};

// Of domains' connections only: a socket's end with the process.
struct WatchSet {
  Watch watch;
};
struct WatchGone {
  ConnectionId connection = 0;
  std::string path;
  std::string token;
};
struct WatchesGone {
  ConnectionId connection = 0;
};
struct TransactionOpened {
  ConnectionId connection = 0;
  std::uint32_t id = 0;
};
struct TransactionClosed {
  ConnectionId connection = 0;
  std::uint32_t id = 0;
};

// Of domains' rings; places as in Streams.
struct RingStarted {
  DomainId domain = 0;
  std::uint32_t taken = 0;
  std::uint32_t put = 0;
  bool is_broken = false;
};
struct RingTaken {
  DomainId domain = 0;
  std::uint32_t taken = 0;
  std::string rest;  // what of it was not answered yet
};
struct RingSaid {
  DomainId domain = 0;
  bool is_event = false;
  std::string bytes;
};

using Change = std::variant<TreeChange, SavedNode, SavedGeneration, SpecialPermissions, DomainIntroduced,
                            DomainForgotten, DomainTargeted, DomainShutDown, WatchSet, WatchGone, WatchesGone,
                            TransactionOpened, TransactionClosed, RingStarted, RingTaken, RingSaid>;
using Changes = std::vector<Change>;

}  // namespace krata::store
