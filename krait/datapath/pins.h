// Pins: what outlives the process, in <bpffs>/<interface>/.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/fd.h"
#include "common/result.h"

namespace krait::datapath {

// Nothing on the way to a pin is followed when it is a symbolic link, from the folder `bpffs` on, which must be a BPF
// file system: all of it may belong to the agent's user, and whoever works there may be root. Names are looked up anew
// in each call, for the file system may be mounted anew meanwhile.
class Pins {
 public:
  // Mounts a BPF file system on `bpffs` unless one is there (bpffs.h), and makes the folder (mode 0700).
  static common::Result<Pins> open(const std::string& bpffs, const std::string& interface);
  // Without making anything.
  static Pins at(const std::string& bpffs, const std::string& interface) { return {bpffs, {interface}}; }

  // The folder, where it is missing.
  [[nodiscard]] common::Result<void> make() const;
  [[nodiscard]] const std::string& bpffs() const { return bpffs_; }
  [[nodiscard]] std::string directory() const;  // as one says it; not to be opened
  // The folder, to be locked or listed. not_found.
  [[nodiscard]] common::Result<common::Fd> open_directory() const;
  [[nodiscard]] bool any() const;
  // The pinned object's descriptor; not valid when there is none.
  [[nodiscard]] common::Fd get(const char* name) const;
  common::Result<void> put(const char* name, int fd) const;
  // Atomically in the place of what has this name.
  common::Result<void> replace(const char* name, int fd) const;
  void remove(const char* name) const;
  // A folder inside, made when it is missing: what is to take the place of pins of the same names.
  [[nodiscard]] common::Result<Pins> make_inner(const char* name) const;
  [[nodiscard]] Pins inner(const char* name) const;
  // Moves the pin `name` of `from` here, atomically in the place of what has this name. No error when it is not there.
  common::Result<void> take(const Pins& from, const char* name) const;
  // All of them and the folder.
  common::Result<void> remove_all() const;

 private:
  Pins(std::string bpffs, std::vector<std::string> folders) : bpffs_(std::move(bpffs)), folders_(std::move(folders)) {}
  // The first `depth` folders down from the BPF file system's.
  [[nodiscard]] common::Result<common::Fd> open_folder(std::size_t depth) const;
  [[nodiscard]] common::Result<common::Fd> open_folder() const { return open_folder(folders_.size()); }
  [[nodiscard]] common::Result<common::Fd> open_parent() const { return open_folder(folders_.size() - 1); }
  [[nodiscard]] std::string text(const char* name) const { return directory() + "/" + name; }

  std::string bpffs_;
  std::vector<std::string> folders_;
};

}  // namespace krait::datapath
