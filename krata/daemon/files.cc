#include "krata/daemon/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace krata::daemon {

using common::Error;
using common::Result;

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Result<void> make_folder(const std::string& path) {
  return ::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST ? Result<void>()
                                                             : Error::from_errno(errno, "make " + path);
}

}  // namespace krata::daemon
