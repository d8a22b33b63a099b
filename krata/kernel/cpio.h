// Writes cpio archives as the kernel unpacks them (Documentation/driver-api/early-userspace/buffer-format.rst: "newc").
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace krata::kernel {

// Everything is root's and of no time. Names have no leading slash and are below 4096 bytes; contents are below 4 GiB.
class CpioWriter {
 public:
  void add_directory(std::string_view name, unsigned mode = 0755);
  void add_file(std::string_view name, std::string_view bytes, unsigned mode = 0644);
  // The same for so many bytes that follow on what there is now, with padding_of() of them behind.
  void begin_file(std::string_view name, std::uint32_t bytes, unsigned mode = 0644);
  static std::string padding_of(std::uint64_t bytes);
  // What there is so far.
  std::string take() && { return std::move(out_); }
  // The whole archive. Several behind each other are one file system to the kernel.
  std::string finish() &&;

 private:
  void add(std::string_view name, std::uint32_t mode, std::uint32_t bytes);

  std::string out_;
  std::uint32_t next_inode_ = 1;
};

}  // namespace krata::kernel
