// What a domain other than 0 may take. The defaults are xenstored's of Xen 4.17 (its CONTROL "quota" prints them).
#pragma once

#include <cstddef>
#include <cstdint>

namespace krata::store {

struct Quota {
  std::uint32_t nodes = 1000;              // that it owns
  std::uint32_t watches = 128;             // at a time; as with xenstored, one more
  std::uint32_t transactions = 10;         // open at a time; likewise
  std::uint32_t outstanding = 20;          // answers that it has not taken yet; nothing more is read from it meanwhile
  std::uint32_t transaction_nodes = 1024;  // that one transaction looks at or changes
  std::uint32_t node_size = 2048;          // bytes: value, permissions, names of children (see size_of in nodes.cc)
  std::uint32_t path_max = 2048;           // bytes of a path, those below /local/domain/N counted from there
  std::uint32_t permissions = 5;           // entries of a node

  // xenstored bounds a domain's memory altogether (2.5 MiB); here each of its transactions has a bound of its own, on
  // what it has written and on what the tree keeps for it alone.
  std::uint32_t transaction_bytes = 256 << 10;
};

}  // namespace krata::store
