// The one owner of a piece of mapped memory.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <span>
#include <utility>

namespace krata::xen {

// Unmaps at its end. Move-only; an empty one maps nothing. While any process maps a page of a domain, that domain is
// never quite gone: let go as soon as nothing is left to do.
class Mapping {
 public:
  Mapping() = default;
  Mapping(void* address, std::size_t bytes) : address_(address), bytes_(bytes) {}
  Mapping(Mapping&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (address_ != nullptr) {
      ::munmap(address_, bytes_);
    }
  }

  [[nodiscard]] bool valid() const { return address_ != nullptr; }
  [[nodiscard]] std::span<std::byte> bytes() const { return {static_cast<std::byte*>(address_), bytes_}; }

 private:
  void* address_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace krata::xen
