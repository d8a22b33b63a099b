// Which images were found, so that to launch one again starts no program: where the store of images has not changed
// since, it has the same one by that name.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace krata::daemon {

// One thread.
class KnownImages {
 public:
  // `names`: the folder of the store of images in which each change of a name is a rename (krata/image/store.h).
  explicit KnownImages(std::string names) : names_(std::move(names)) {}

  struct Stamp {
    ino_t inode = 0;
    std::int64_t changed_s = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  // The folder's. Nothing where it has changed so lately that the next change might not be seen.
  [[nodiscard]] std::optional<Stamp> stamp() const;

  // The manifest's digest, found after the stamp was taken.
  void note(const std::string& image, const std::optional<Stamp>& before, const std::string& digest);
  [[nodiscard]] std::optional<std::string> find(const std::string& image) const;

 private:
  std::string names_;
  Stamp stamp_;  // of all that are known
  std::map<std::string, std::string> digests_;
};

}  // namespace krata::daemon
