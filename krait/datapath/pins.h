// Pins: what outlives the process, in <bpffs>/<interface>/.
#pragma once

#include <string>

#include "common/fd.h"
#include "common/result.h"

namespace krait::datapath {

class Pins {
 public:
  // Mounts a BPF file system on `bpffs` unless one is there (bpffs.h), and makes the folder (mode 0700).
  static common::Result<Pins> open(const std::string& bpffs, const std::string& interface);
  // Without making anything.
  static Pins at(const std::string& bpffs, const std::string& interface);

  // The folder, where it is missing.
  [[nodiscard]] common::Result<void> make() const;
  [[nodiscard]] const std::string& directory() const { return folder_; }
  [[nodiscard]] bool any() const;
  // The pinned object's descriptor; not valid when there is none.
  [[nodiscard]] common::Fd get(const char* name) const;
  common::Result<void> put(const char* name, int fd) const;
  // Atomically in the place of what has this name.
  common::Result<void> replace(const char* name, int fd) const;
  void remove(const char* name) const;
  // A folder inside, made when it is missing: what is to take the place of pins of the same names.
  [[nodiscard]] common::Result<Pins> make_inner(const char* name) const;
  [[nodiscard]] Pins inner(const char* name) const { return Pins(path(name)); }
  // Moves the pin `name` of `from` here, atomically in the place of what has this name. No error when it is not there.
  common::Result<void> take(const Pins& from, const char* name) const;
  // All of them and the folder.
  common::Result<void> remove_all() const;

 private:
  explicit Pins(std::string folder) : folder_(std::move(folder)) {}
  [[nodiscard]] std::string path(const char* name) const { return folder_ + "/" + name; }

  std::string folder_;
};

}  // namespace krait::datapath
