#include "krait/datapath/mapped_map.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace krait::datapath {

common::Result<MappedMap> MappedMap::map(int map_fd, std::size_t bytes) {
  const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  bytes = (bytes + page_bytes - 1) / page_bytes * page_bytes;
  void* start = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
  if (start == MAP_FAILED) {
    return common::Error::from_errno(errno, "map a BPF array");
  }
  MappedMap mapped;
  mapped.memory_ = {static_cast<std::byte*>(start), bytes};
  return mapped;
}

MappedMap::MappedMap(MappedMap&& other) noexcept : memory_(std::exchange(other.memory_, {})) {}

MappedMap& MappedMap::operator=(MappedMap&& other) noexcept {
  std::swap(memory_, other.memory_);
  return *this;
}

MappedMap::~MappedMap() {
  if (!memory_.empty()) {
    ::munmap(memory_.data(), memory_.size());
  }
}

}  // namespace krait::datapath
