// Layers upon each other (image-spec, "Image Layer Filesystem Changeset"). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "common/result.h"
#include "krata/image/tree.h"
#include "krata/image/walk.h"

namespace krata::image {

// An entry of a layer's archive, as it stands there.
enum class EntryType : std::uint8_t { file, directory, symlink, hard_link, character, block, fifo };

struct Entry {
  EntryType type = EntryType::file;
  std::string path;
  std::string link;        // of symlinks and hard links
  std::uint32_t mode = 0;  // the lower 12 bits count
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t mtime_s = 0;
  std::uint32_t mtime_ns = 0;
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  std::uint64_t size_bytes = 0;  // of a file, holes included
  Xattrs xattrs;
};

// Puts the entries of one layer upon the tree of those below it. Borrows the tree.
//
// Whiteouts ("Representing Changes") take away what lower layers have, whether they stand before or behind what the
// same layer brings. Errors: invalid_input, limit, with the entry's path.
class LayerApplier {
 public:
  // `number` is the layer's: from 1 on, each its own.
  LayerApplier(Tree& tree, std::uint32_t number) : tree_(tree), number_(number) {}

  common::Result<void> apply(const Entry& entry, const Content& content);

 private:
  common::Result<void> apply_within(const Entry& entry, const Content& content);
  common::Result<void> apply_root(const Entry& entry);
  common::Result<void> white_out(const Place& folder, const std::string& name);
  common::Result<void> put(const Place& folder, const std::string& name, const Entry& entry, const Content& content);
  common::Result<NodeId> link_target(const Entry& entry);

  Tree& tree_;
  std::uint32_t number_;
};

}  // namespace krata::image
