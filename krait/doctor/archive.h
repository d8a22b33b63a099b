// A gzipped tar archive, written whole.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"

namespace krait::doctor {

struct Member {
  std::string name;  // in the archive
  std::string text;
};

// The bytes of an archive that unpacks to files of mode 0600 in the folder `folder`, with `unix_s` as their time.
common::Result<std::string> pack(const std::string& folder, const std::vector<Member>& members, std::int64_t unix_s);

}  // namespace krait::doctor
