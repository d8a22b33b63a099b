// What a hostile zone does, one way each.
#pragma once

#include <span>
#include <string_view>

namespace hostile {

struct Way {
  std::string_view name;
  void (*go)();
};

std::span<const Way> store_ways();    // its store's ring, and what it asks there
std::span<const Way> console_ways();  // both consoles' rings, the second of which is the channel's
std::span<const Way> block_ways();    // a disk's ring

}  // namespace hostile
