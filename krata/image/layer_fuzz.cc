// Fuzz target: any bytes as two layers upon each other, cut where the first two bytes say.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "krata/image/layer.h"
#include "krata/image/limits.h"
#include "krata/image/tar_reader.h"
#include "krata/image/tree_order.h"
#include "tests/require.h"

namespace krata::image {

namespace {

using krait::require;

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : rest_(bytes) {}
  common::Result<std::size_t> read(std::span<char> room) override {
    const std::size_t bytes = std::min(room.size(), rest_.size());
    std::memcpy(room.data(), rest_.data(), bytes);
    rest_.remove_prefix(bytes);
    return bytes;
  }

 private:
  std::string_view rest_;
};

void require_message(const common::Error& error) {
  for (const char c : error.text()) {
    require(c >= 0x20 && static_cast<unsigned char>(c) < 0x7f, "nothing in an error's text obeys a terminal");
  }
}

bool apply(std::string_view bytes, Tree& tree, std::uint32_t number) {
  MemorySource source(bytes);
  TarReader reader(source);
  LayerApplier applier(tree, number);
  for (;;) {
    const auto entry = reader.next();
    if (!entry || !*entry) {
      return entry.has_value();
    }
    std::uint64_t end = 0;
    const auto read = reader.read([&](std::uint64_t offset, std::string_view piece) -> common::Result<void> {
      require(offset >= end, "pieces ascend");
      end = offset + piece.size();
      require(end <= (*entry)->size_bytes, "a piece lies in its file");
      return {};
    });
    if (!read) {
      require_message(read.error());
      return false;
    }
    if (const auto applied = applier.apply(**entry, {.offset = 0, .size_bytes = (*entry)->size_bytes}); !applied) {
      require_message(applied.error());
      return false;
    }
  }
}

void require_node(const Node& node) {
  require(node.mode <= 07777, "a mode has 12 bits");
  require((node.kind == Kind::directory) == (node.children != nullptr),
          "a directory has children, and nothing else has");
  require(node.kind != Kind::symlink || !node.target.empty(), "a link leads somewhere");
  require(node.mtime_ns < 1000000000, "a second has that many nanoseconds");
  require(node.device_major <= 0xfff && node.device_minor <= 0xfffff, "a device is one of Linux");
}

void require_tree(const Tree& tree) {
  std::map<NodeId, std::uint32_t> names;
  std::vector<std::pair<NodeId, std::size_t>> open{{kRoot, 0}};
  while (!open.empty()) {
    const auto [id, depth] = open.back();
    open.pop_back();
    require(depth <= limits::kDepth, "the tree is not deeper than it may be");
    require_node(tree.at(id));
    for (const auto& [name, child] : *tree.at(id).children) {
      require(!name.empty() && name.size() <= limits::kNameBytes && name != "." && name != ".." && !name.contains('/'),
              "a name is one");
      require(!name.starts_with(".wh."), "no whiteout stays");
      ++names[child.id];
      if (tree.at(child.id).kind == Kind::directory) {
        open.emplace_back(child.id, depth + 1);
      } else {
        require_node(tree.at(child.id));
      }
    }
  }
  for (const auto& [id, count] : names) {
    require(tree.at(id).links == count, "links are counted");
    require(count == 1 || tree.at(id).kind != Kind::directory, "a directory has one name");
  }
  require(names.size() + 1 == tree.size(), "no node is lost");
  require(bottom_up(tree).size() == tree.size(), "each node is written once");
}

}  // namespace

}  // namespace krata::image

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t cut = std::min<std::size_t>((data[0] | std::size_t{data[1]} << 8U) * 512, bytes.size());
  krata::image::Tree tree;
  if (krata::image::apply(bytes.substr(0, cut), tree, 1)) {
    krata::image::apply(bytes.substr(cut), tree, 2);
  }
  krata::image::require_tree(tree);
  return 0;
}
