#include "krata/image/layer.h"

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "krata/image/limits.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// image-spec, "Whiteouts" and "Opaque Whiteout".
constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

constexpr std::uint32_t kModeMask = 07777;
constexpr std::uint32_t kMaxMajor = 0xfff;  // Linux's dev_t: 12 bits and 20
constexpr std::uint32_t kMaxMinor = 0xfffff;

Kind kind_of(EntryType type) {
  switch (type) {
    case EntryType::directory:
      return Kind::directory;
    case EntryType::symlink:
      return Kind::symlink;
    case EntryType::character:
      return Kind::character;
    case EntryType::block:
      return Kind::block;
    case EntryType::fifo:
      return Kind::fifo;
    default:
      return Kind::file;
  }
}

Result<void> check(const Entry& entry) {
  const bool is_device = entry.type == EntryType::character || entry.type == EntryType::block;
  if (is_device && (entry.device_major > kMaxMajor || entry.device_minor > kMaxMinor)) {
    return refused("Linux has no device {}:{}", entry.device_major, entry.device_minor);
  }
  if (entry.type == EntryType::symlink &&
      (entry.link.empty() || entry.link.size() > limits::kPathBytes || entry.link.contains('\0'))) {
    return refused("a symbolic link's target has 1 to {} bytes, none of them 0, and not {}", limits::kPathBytes,
                   entry.link.size());
  }
  if (entry.xattrs.size() > limits::kXattrs) {
    return Error(ErrorCode::limit,
                 fmt::format("{} extended attributes are more than {}", entry.xattrs.size(), limits::kXattrs));
  }
  for (const auto& [name, value] : entry.xattrs) {
    if (name.empty() || name.size() > limits::kXattrNameBytes || value.size() > limits::kXattrValueBytes) {
      return Error(ErrorCode::limit,
                   fmt::format("the extended attribute \"{}\" of {} bytes is larger than Linux has them",
                               printable(name), value.size()));
    }
  }
  return {};
}

Node node_of(const Entry& entry, const Content& content) {
  Node node;
  node.kind = kind_of(entry.type);
  node.mode = static_cast<std::uint16_t>(node.kind == Kind::symlink ? 0777 : entry.mode & kModeMask);
  node.uid = entry.uid;
  node.gid = entry.gid;
  node.mtime_s = entry.mtime_s;
  node.mtime_ns = entry.mtime_ns;
  if (node.kind == Kind::character || node.kind == Kind::block) {
    node.device_major = entry.device_major;
    node.device_minor = entry.device_minor;
  }
  if (node.kind == Kind::file) {
    node.content = content;
  }
  if (node.kind == Kind::symlink) {
    node.target = entry.link;
  }
  if (!entry.xattrs.empty()) {
    node.xattrs = std::make_shared<const Xattrs>(entry.xattrs);
  }
  return node;
}

}  // namespace

Result<void> LayerApplier::apply(const Entry& entry, const Content& content) {
  auto applied = apply_within(entry, content);
  return applied ? Result<void>() : passed_on(applied, fmt::format("\"{}\"", printable(entry.path)));
}

Result<void> LayerApplier::apply_within(const Entry& entry, const Content& content) {
  KRAIT_TRY(auto parts, clean_path(entry.path));
  KRAIT_CHECK(check(entry));
  if (parts.empty()) {
    return apply_root(entry);
  }
  const std::string name = std::move(parts.back());
  parts.pop_back();
  KRAIT_TRY(const auto folder, resolve(tree_, parts));
  return name.starts_with(kWhiteout) ? white_out(folder, name) : put(folder, name, entry, content);
}

Result<void> LayerApplier::apply_root(const Entry& entry) {
  if (entry.type != EntryType::directory) {
    return refused("the root of the tree is a folder, and stays one");
  }
  return tree_.restat(kRoot, node_of(entry, {}));
}

Result<void> LayerApplier::white_out(const Place& folder, const std::string& name) {
  const std::string hidden = name.substr(kWhiteout.size());
  if (name != kOpaque && (hidden.empty() || hidden == "." || hidden == "..")) {
    return refused("a whiteout of nothing");
  }
  if (!folder.id || tree_.at(*folder.id).kind != Kind::directory) {
    return {};
  }
  return name == kOpaque ? tree_.remove_older_children(*folder.id, number_)
                         : tree_.remove_older(*folder.id, hidden, number_);
}

// The target's last part is not followed: a hard link to a symbolic link is one.
Result<NodeId> LayerApplier::link_target(const Entry& entry) {
  KRAIT_TRY(auto parts, clean_path(entry.link));
  if (parts.empty()) {
    return refused("a hard link to the root");
  }
  const std::string name = std::move(parts.back());
  parts.pop_back();
  KRAIT_TRY(const auto folder, resolve(tree_, parts));
  const Child* child = folder.id ? tree_.find(*folder.id, name) : nullptr;
  if (child == nullptr) {
    return refused("a hard link to \"{}\", which is not there", printable(entry.link));
  }
  if (tree_.at(child->id).kind == Kind::directory) {
    return refused("a hard link to \"{}\", which is a folder", printable(entry.link));
  }
  return child->id;
}

Result<void> LayerApplier::put(const Place& folder, const std::string& name, const Entry& entry,
                               const Content& content) {
  KRAIT_TRY(const auto directory, make_folders(tree_, folder, number_));
  const Child* old = tree_.find(directory, name);
  if (old != nullptr && entry.type == EntryType::directory && tree_.at(old->id).kind == Kind::directory) {
    tree_.mark(directory, name, number_);
    return tree_.restat(old->id, node_of(entry, content));
  }
  if (folder.parts.size() + 1 > limits::kDepth) {
    return Error(ErrorCode::limit, fmt::format("the path is deeper than {} folders", limits::kDepth));
  }
  tree_.remove(directory, name);
  if (entry.type == EntryType::hard_link) {
    KRAIT_TRY(const auto target, link_target(entry));
    return tree_.link(directory, name, target, number_);
  }
  KRAIT_CHECK(tree_.add(directory, name, node_of(entry, content), number_));
  return {};
}

}  // namespace krata::image
