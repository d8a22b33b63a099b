#include "krata/daemon/known_images.h"

#include <sys/stat.h>

#include <ctime>

namespace krata::daemon {

namespace {

constexpr std::int64_t kSettledS = 2;  // longer than the ticks by which file systems tell the time
constexpr std::size_t kMaxKnown = 1024;

}  // namespace

std::optional<KnownImages::Stamp> KnownImages::stamp() const {
  struct stat status{};
  if (::stat(names_.c_str(), &status) != 0 || std::time(nullptr) - status.st_mtim.tv_sec < kSettledS) {
    return std::nullopt;
  }
  return Stamp{.inode = status.st_ino, .changed_s = status.st_mtim.tv_sec, .changed_ns = status.st_mtim.tv_nsec};
}

void KnownImages::note(const std::string& image, const std::optional<Stamp>& before, const std::string& digest) {
  if (!before) {
    return;
  }
  if (*before != stamp_ || digests_.size() >= kMaxKnown) {
    digests_.clear();
  }
  stamp_ = *before;
  digests_[image] = digest;
}

std::optional<std::string> KnownImages::find(const std::string& image) const {
  const auto found = digests_.find(image);
  return found != digests_.end() && stamp() == stamp_ ? std::optional(found->second) : std::nullopt;
}

}  // namespace krata::daemon
