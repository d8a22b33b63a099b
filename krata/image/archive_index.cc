#include "krata/image/archive_index.h"

#include <utility>
#include <vector>

#include "krata/image/tar_reader.h"
#include "krata/image/text.h"
#include "krata/image/walk.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::size_t kMaxMembers = std::size_t{1} << 16U;
constexpr int kMaxHops = 16;

std::string joined(const std::vector<std::string>& parts) {
  std::string path;
  for (const std::string& part : parts) {
    path += (path.empty() ? "" : "/") + part;
  }
  return path;
}

Result<std::string> clean(std::string_view path) {
  KRAIT_TRY(const auto parts, clean_path(path));
  return joined(parts);
}

// A symbolic link's target is seen from the link's folder.
Result<std::string> target_of(const Entry& entry, const std::string& path) {
  if (entry.type == EntryType::hard_link || entry.link.starts_with('/')) {
    return clean(entry.link);
  }
  const auto slash = path.rfind('/');
  return clean((slash == std::string::npos ? std::string() : path.substr(0, slash + 1)) + entry.link);
}

}  // namespace

Result<ArchiveIndex> ArchiveIndex::read(ByteSource& source) {
  ArchiveIndex index;
  TarReader reader(source);
  for (std::size_t members = 0;; ++members) {
    KRAIT_TRY(const auto entry, reader.next());
    if (!entry) {
      return index;
    }
    if (members == kMaxMembers) {
      return Error(ErrorCode::limit, fmt::format("more than {} members, which no image has", kMaxMembers));
    }
    KRAIT_TRY(auto path, clean(entry->path));
    index.members_.erase(path);
    index.links_.erase(path);
    if (entry->type == EntryType::file && !reader.has_holes()) {
      index.members_[path] = {.offset = reader.data_offset(), .size_bytes = entry->size_bytes};
    } else if (entry->type == EntryType::symlink || entry->type == EntryType::hard_link) {
      KRAIT_TRY(auto target, target_of(*entry, path));
      index.links_[path] = std::move(target);
    }
  }
}

Result<Member> ArchiveIndex::find(const std::string& path) const {
  KRAIT_TRY(auto wanted, clean(path));
  for (int hops = 0; hops < kMaxHops; ++hops) {
    if (const auto member = members_.find(wanted); member != members_.end()) {
      return member->second;
    }
    const auto link = links_.find(wanted);
    if (link == links_.end()) {
      return refused("the archive has no file \"{}\"", printable(path));
    }
    wanted = link->second;
  }
  return refused("\"{}\" leads through too many links", printable(path));
}

}  // namespace krata::image
