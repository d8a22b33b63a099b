// The kernel's way to the hypervisor: hypercalls, memory that they may read and write, and mappings of other domains'.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>

#include "common/fd.h"
#include "common/result.h"
#include "krata/xen/mapping.h"
#include "krata/xen/types.h"

namespace krata::xen {

class Privcmd {
 public:
  static common::Result<std::unique_ptr<Privcmd>> open();

  // Memory for a hypercall's arguments: zeroed, and never moved while one runs. `bytes` is more than 0.
  [[nodiscard]] common::Result<Mapping> buffer(std::size_t bytes) const;

  // `number` is a __HYPERVISOR_* of xen/xen.h. Returns what the hypervisor does; `what` is what an error calls it.
  common::Result<std::int64_t> call(std::uint64_t number, const std::array<std::uint64_t, 5>& arguments,
                                    const char* what) const;

  // Frames of the domain, behind each other, writable.
  [[nodiscard]] common::Result<Mapping> map(DomainId domain, std::span<const Frame> frames) const;
  // The first frame of the domain's grant table.
  [[nodiscard]] common::Result<Mapping> map_grant_table(DomainId domain) const;

 private:
  Privcmd(common::Fd calls, common::Fd buffers) : calls_(std::move(calls)), buffers_(std::move(buffers)) {}

  common::Fd calls_;
  common::Fd buffers_;
};

// A value where hypercalls may read and write it.
template <typename T>
class Shared {
 public:
  static_assert(std::is_trivially_copyable_v<T>);
  explicit Shared(Mapping memory) : memory_(std::move(memory)) {}

  static common::Result<Shared> make(const Privcmd& privcmd, std::size_t count = 1) {
    KRAIT_TRY(auto memory, privcmd.buffer(sizeof(T) * count));
    return Shared(std::move(memory));
  }

  T* operator->() const { return get(); }
  T& operator*() const { return *get(); }
  T* get() const { return reinterpret_cast<T*>(memory_.bytes().data()); }
  [[nodiscard]] std::uint64_t address() const { return reinterpret_cast<std::uint64_t>(memory_.bytes().data()); }

 private:
  Mapping memory_;
};

}  // namespace krata::xen
