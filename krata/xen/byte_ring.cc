#include "krata/xen/byte_ring.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "krata/xen/types.h"

#include <xen/xen.h>

#include <xen/io/console.h>
#include <xen/io/xs_wire.h>

namespace krata::xen {

namespace {

constexpr std::size_t kIndexBytes = sizeof(std::uint32_t);
static_assert(sizeof(XENCONS_RING_IDX) == kIndexBytes && sizeof(XENSTORE_RING_IDX) == kIndexBytes);
static_assert(sizeof(xencons_interface) <= kPageBytes && sizeof(xenstore_domain_interface) <= kPageBytes);
static_assert(std::has_single_bit(sizeof(xencons_interface::in)) &&
              std::has_single_bit(sizeof(xencons_interface::out)));
static_assert(std::has_single_bit(sizeof(xenstore_domain_interface::req)));

std::uint32_t* index_at(std::span<std::byte> page, std::size_t offset) {
  return reinterpret_cast<std::uint32_t*>(page.data() + offset);
}

// The piece of a stream between two indices that does not cross its end.
std::uint32_t straight(std::uint32_t from, std::uint32_t count, std::uint32_t size) {
  return std::min(count, size - (from & (size - 1)));
}

}  // namespace

ByteRing ByteRing::console(std::span<std::byte> page) {
  const Stream from_zone{.bytes = page.data() + offsetof(xencons_interface, out),
                         .size = sizeof(xencons_interface::out),
                         .consumer = index_at(page, offsetof(xencons_interface, out_cons)),
                         .producer = index_at(page, offsetof(xencons_interface, out_prod))};
  const Stream to_zone{.bytes = page.data() + offsetof(xencons_interface, in),
                       .size = sizeof(xencons_interface::in),
                       .consumer = index_at(page, offsetof(xencons_interface, in_cons)),
                       .producer = index_at(page, offsetof(xencons_interface, in_prod))};
  return {from_zone, to_zone};
}

ByteRing ByteRing::store(std::span<std::byte> page) {
  const Stream requests{.bytes = page.data() + offsetof(xenstore_domain_interface, req),
                        .size = sizeof(xenstore_domain_interface::req),
                        .consumer = index_at(page, offsetof(xenstore_domain_interface, req_cons)),
                        .producer = index_at(page, offsetof(xenstore_domain_interface, req_prod))};
  const Stream answers{.bytes = page.data() + offsetof(xenstore_domain_interface, rsp),
                       .size = sizeof(xenstore_domain_interface::rsp),
                       .consumer = index_at(page, offsetof(xenstore_domain_interface, rsp_cons)),
                       .producer = index_at(page, offsetof(xenstore_domain_interface, rsp_prod))};
  return {requests, answers};
}

ByteRing ByteRing::console_front(std::span<std::byte> page) { return swapped(console(page)); }
ByteRing ByteRing::store_front(std::span<std::byte> page) { return swapped(store(page)); }

std::uint32_t ByteRing::taken() const { return std::atomic_ref(*incoming_.consumer).load(std::memory_order_relaxed); }
std::uint32_t ByteRing::put() const { return std::atomic_ref(*outgoing_.producer).load(std::memory_order_relaxed); }

std::optional<std::size_t> ByteRing::read_at(std::uint32_t from, std::string& out, std::size_t max_bytes) const {
  const std::uint32_t there = std::atomic_ref(*incoming_.producer).load(std::memory_order_acquire) - from;
  if (there > incoming_.size) {
    return std::nullopt;
  }
  const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(there, max_bytes));
  for (std::uint32_t left = count; left > 0;) {
    const std::uint32_t piece = straight(from, left, incoming_.size);
    out.append(reinterpret_cast<const char*>(incoming_.bytes + (from & (incoming_.size - 1))), piece);
    from += piece;
    left -= piece;
  }
  return count;
}

bool ByteRing::take_up_to(std::uint32_t index) {
  const std::atomic_ref consumer(*incoming_.consumer);
  if (consumer.load(std::memory_order_relaxed) == index) {
    return false;
  }
  consumer.store(index, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // before the other end is notified
  return true;
}

std::optional<std::size_t> ByteRing::read(std::string& out, std::size_t max_bytes) {
  const std::uint32_t from = taken();
  const auto count = read_at(from, out, max_bytes);
  if (count) {
    take_up_to(from + static_cast<std::uint32_t>(*count));
  }
  return count;
}

std::optional<std::size_t> ByteRing::write_at(std::uint32_t to, std::string_view bytes) {
  const std::uint32_t waiting = to - std::atomic_ref(*outgoing_.consumer).load(std::memory_order_acquire);
  if (waiting > outgoing_.size) {
    return std::nullopt;
  }
  const std::size_t count = std::min<std::size_t>(outgoing_.size - waiting, bytes.size());
  std::string_view left = bytes.substr(0, count);
  while (!left.empty()) {
    const std::uint32_t piece = straight(to, static_cast<std::uint32_t>(left.size()), outgoing_.size);
    std::memcpy(outgoing_.bytes + (to & (outgoing_.size - 1)), left.data(), piece);
    to += piece;
    left.remove_prefix(piece);
  }
  if (count > 0) {
    std::atomic_ref(*outgoing_.producer).store(to, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  return count;
}

std::optional<std::size_t> ByteRing::write(std::string_view bytes) { return write_at(put(), bytes); }

std::optional<std::size_t> ByteRing::untaken() const {
  const std::uint32_t waiting = std::atomic_ref(*outgoing_.producer).load(std::memory_order_relaxed) -
                                std::atomic_ref(*outgoing_.consumer).load(std::memory_order_acquire);
  return waiting > outgoing_.size ? std::nullopt : std::optional<std::size_t>(waiting);
}

}  // namespace krata::xen
