// Where a kernel and its modules are taken from: a port, of which this host's files and an image's tree are two.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "common/result.h"

namespace krata::kernel {

class Files {
 public:
  virtual ~Files() = default;
  // A regular file of at most `max_bytes`. Blocks. Errors: not_found, limit, invalid_input (no regular file), system.
  virtual common::Result<std::string> read(const std::string& path, std::size_t max_bytes) const = 0;
  // What is in a folder, in no order; nothing where there is no such folder.
  virtual common::Result<std::vector<std::string>> names(const std::string& folder) const = 0;
};

std::unique_ptr<Files> host_files();

}  // namespace krata::kernel
