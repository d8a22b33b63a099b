#include "krait/rundir/folder.h"

#include <unistd.h>

namespace krait::rundir {

std::string folder_hint(const std::string& path) {
  const bool may_take = path.substr(0, path.rfind('/')) == kRunDirectory && ::geteuid() == 0;
  return may_take ? "make it root's, for an agent that runs as root: krait-agent --prepare root"
                  : "give a --socket in a folder of root's or of the agent's own user";
}

}  // namespace krait::rundir
