#include "krait/datapath/mapped_map.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace krait::datapath {

common::Result<MappedMap> MappedMap::map(int map_fd, std::size_t offset_bytes, std::size_t bytes) {
  const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t before = offset_bytes % page_bytes;
  const std::size_t whole = (before + bytes + page_bytes - 1) / page_bytes * page_bytes;
  void* start =
      ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, static_cast<off_t>(offset_bytes - before));
  if (start == MAP_FAILED) {
    return common::Error::from_errno(errno, "map a BPF array");
  }
  MappedMap mapped;
  mapped.pages_ = {static_cast<std::byte*>(start), whole};
  mapped.memory_ = mapped.pages_.subspan(before, bytes);
  return mapped;
}

MappedMap::~MappedMap() {
  if (!pages_.empty()) {
    ::munmap(pages_.data(), pages_.size());
  }
}

}  // namespace krait::datapath
