// A file that is there whole or not at all.
#pragma once

#include <string>

#include "common/fd.h"
#include "common/result.h"

namespace krata::image {

// A new file beside `path`, without a name where the file system can make such: until publish() nothing of it can be
// seen, and a process that is killed leaves nothing. Move-only.
class NewFile {
 public:
  // Errors: system, permission, not_found (no such folder).
  static common::Result<NewFile> create(const std::string& path);

  NewFile(NewFile&&) noexcept = default;
  NewFile& operator=(NewFile&&) noexcept = delete;
  ~NewFile();

  [[nodiscard]] int fd() const { return fd_.get(); }
  // Syncs it and gives it the path, in place of what has it. Mode 0644 less the umask.
  common::Result<void> publish();

 private:
  NewFile(common::Fd fd, std::string path, std::string scratch)
      : fd_(std::move(fd)), path_(std::move(path)), scratch_(std::move(scratch)) {}

  common::Fd fd_;
  std::string path_;
  std::string scratch_;  // its name until then; empty: none
};

}  // namespace krata::image
