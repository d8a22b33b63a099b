#include "krait/enforce/host_settings.h"

#include <fmt/format.h>

#include "common/file.h"
#include "krait/rundir/folder.h"
#include "krait/wireguard/redirects.h"
#include "krait/wireguard/wireguard.h"

namespace krait::enforce {

namespace {

constexpr const char* kRedirects = "net.ipv4.conf.all.send_redirects = 1\n";

}  // namespace

std::string interface_lock_path(const std::string& interface) {
  return fmt::format("{}/{}.lock", rundir::kRunDirectory, interface);
}

common::Result<common::LockFile> lock_interface(const std::string& interface) {
  const std::string path = interface_lock_path(interface);
  KRAIT_CHECK(common::make_directory_of(path));
  return common::LockFile::take(path, fmt::format("another agent already keeps {}; stop it first", interface));
}

common::Result<void> remember_settings(const std::string& interface, const common::LockFile& lock) {
  // Off without the interface: it was so before, or an agent that has ended remembers what it was.
  if (wireguard::link_index(interface) || !wireguard::sends_redirects()) {
    return {};
  }
  return lock.write(kRedirects);
}

common::Result<void> restore_settings(const std::string& interface) {
  const auto text = common::read_file_of_others(interface_lock_path(interface), 4096);
  if (!text || *text != kRedirects) {
    return {};
  }
  return wireguard::send_redirects_again();
}

}  // namespace krait::enforce
