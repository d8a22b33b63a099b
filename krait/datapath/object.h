// One BPF object of libbpf, owned.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/result.h"

struct bpf_object;
struct bpf_map;
struct bpf_program;

namespace krait::datapath {

// libbpf prints to stderr unless told otherwise; what it says is in our errors.
void silence_libbpf();

// The kernel's number of a program; 0: the descriptor is no program's.
std::uint32_t program_id(int program_fd);

class Object {
 public:
  // Parses an embedded ELF object; nothing is in the kernel yet.
  static common::Result<Object> open(std::span<const unsigned char> elf, const char* name);

  // Before load: sizes, constants, maps to share. A name that the object does not have fails with system.
  common::Result<void> set_entries(const char* map, std::uint32_t entries);
  common::Result<void> reuse_map(const char* map, int fd);
  common::Result<void> leave_out(const char* program);
  template <typename T>
  common::Result<void> set_constant(const char* name, T value) {
    return set_constant_bytes(name, &value, sizeof(value));
  }

  // Into the kernel. A program that the verifier refuses fails with the end of the verifier's log in the message.
  common::Result<void> load();

  // After load. The descriptors belong to the object. -1 when there is no such name.
  [[nodiscard]] int map_fd(const char* map) const;
  [[nodiscard]] int program_fd(const char* program) const;

 private:
  struct Close {
    void operator()(bpf_object* object) const;
  };
  common::Result<void> set_constant_bytes(const char* name, const void* value, std::size_t bytes);

  std::unique_ptr<bpf_object, Close> object_;
  std::unique_ptr<std::string> log_;  // libbpf keeps a pointer to its bytes
};

}  // namespace krait::datapath
