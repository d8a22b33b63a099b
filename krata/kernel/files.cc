#include "krata/kernel/files.h"

#include <dirent.h>
#include <fmt/format.h>

#include <cerrno>

#include "common/file.h"

namespace krata::kernel {

using common::Error;
using common::Result;

namespace {

struct Closer {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

class HostFiles : public Files {
 public:
  Result<std::string> read(const std::string& path, std::size_t max_bytes) const override {
    return common::read_file(path, max_bytes);
  }

  Result<std::vector<std::string>> names(const std::string& folder) const override {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, Closer> open(::opendir(folder.c_str()));
    if (open == nullptr) {
      return errno == ENOENT ? Result<std::vector<std::string>>(names)
                             : Error::from_errno(errno, fmt::format("list {}", folder));
    }
    while (const dirent* const entry = ::readdir(open.get())) {
      names.emplace_back(entry->d_name);
    }
    return names;
  }
};

}  // namespace

std::unique_ptr<Files> host_files() { return std::make_unique<HostFiles>(); }

}  // namespace krata::kernel
