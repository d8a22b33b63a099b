// What lies where in an archive, so that its members can be read in any order.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "common/result.h"
#include "krata/image/byte_source.h"

namespace krata::image {

struct Member {
  std::uint64_t offset = 0;  // in the archive
  std::uint64_t size_bytes = 0;
};

// The regular files of a tar archive, by their paths. Of two of a path the later one counts.
class ArchiveIndex {
 public:
  // Reads the archive to its end. Errors: invalid_input, limit (many members, far more than an image has), and the
  // source's.
  static common::Result<ArchiveIndex> read(ByteSource& source);

  // Symbolic and hard links are followed, as older archives have them for layers that two images share. Errors:
  // invalid_input.
  [[nodiscard]] common::Result<Member> find(const std::string& path) const;

 private:
  std::map<std::string, Member> members_;
  std::map<std::string, std::string> links_;  // to what they lead to, both clean
};

}  // namespace krata::image
