#include "krata/cli/roots.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>

#include "krata/control/client.h"
#include "krata/control/protocol.h"

namespace krata::cli {

using common::Error;
using common::Result;

Unneeded unneeded_roots(const std::vector<std::string>& names, const common::Json& zones) {
  std::set<std::string, std::less<>> needed;
  Unneeded unneeded;
  for (const common::Json& zone : zones) {
    const std::string digest = common::text_at(zone, "image_digest");
    if (digest.empty() && common::text_at(zone, "state") == "preparing") {
      unneeded.because_of = common::text_at(zone, "name");
      return unneeded;
    }
    needed.insert(digest);  // none: its image could not be had
  }
  for (const std::string& name : names) {
    for (const std::string_view end : {".squashfs", ".json"}) {
      if (name.ends_with(end) && !needed.contains(std::string_view(name).substr(0, name.size() - end.size()))) {
        unneeded.names.push_back(name);
      }
    }
  }
  return unneeded;
}

Result<PrunedRoots> prune_roots(const std::string& folder, const std::string& socket) {
  PrunedRoots pruned;
  std::error_code failed;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
    names.push_back(entry.path().filename());
  }
  if (names.empty()) {
    return pruned;  // nothing was ever packed here
  }
  KRAIT_TRY(const auto answer, control::ask(socket, {.ask = control::Ask::zones}),
            "packed file systems stay, for only kratad knows which are needed");
  const Unneeded unneeded = unneeded_roots(names, common::list_at(answer, "zones"));
  pruned.because_of = unneeded.because_of;
  for (const std::string& name : unneeded.names) {
    const std::string path = (std::filesystem::path(folder) / name).string();
    const auto bytes = std::filesystem::file_size(path, failed);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return Error::from_errno(errno, "remove " + path);
    }
    ++pruned.files;
    pruned.freed_bytes += failed ? 0 : bytes;
  }
  return pruned;
}

}  // namespace krata::cli
