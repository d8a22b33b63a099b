// A pair of byte streams in a page that two domains share: the console's and xenstore's. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace krata::xen {

// This end of it. The other end may write anything anywhere at any moment: each index is read once, and one that says
// more than a ring holds makes the ring broken. Does not own the page.
class ByteRing {
 public:
  // Of a page with the layout of xen/io/console.h, or of xen/io/xs_wire.h; this end is the back end. `page` has
  // kPageBytes.
  static ByteRing console(std::span<std::byte> page);
  static ByteRing store(std::span<std::byte> page);
  // The same pages from the other end: the front end's, which domain 0's kernel or a zone is.
  static ByteRing console_front(std::span<std::byte> page);
  static ByteRing store_front(std::span<std::byte> page);

  // Appends what has arrived to `out`, at most `max_bytes`; returns how many bytes it was. Nothing: the ring is broken.
  std::optional<std::size_t> read(std::string& out, std::size_t max_bytes);
  // Puts in what there is room for; returns how many bytes it was. Nothing: the ring is broken.
  std::optional<std::size_t> write(std::string_view bytes);

  // The same for an end that keeps its indices itself: the page's own copies of them count for nothing then, since the
  // other end can write there too.
  [[nodiscard]] std::optional<std::size_t> read_at(std::uint32_t from, std::string& out, std::size_t max_bytes) const;
  std::optional<std::size_t> write_at(std::uint32_t to, std::string_view bytes);
  // Gives back the room of what was read. False: that index was there already.
  bool take_up_to(std::uint32_t index);
  // Where the page says that this end stands.
  [[nodiscard]] std::uint32_t taken() const;
  [[nodiscard]] std::uint32_t put() const;

  // How much waits in the direction to the other end, which it has not taken yet. Nothing: the ring is broken.
  [[nodiscard]] std::optional<std::size_t> untaken() const;

 private:
  struct Stream {
    std::byte* bytes = nullptr;
    std::uint32_t size = 0;  // a power of two
    std::uint32_t* consumer = nullptr;
    std::uint32_t* producer = nullptr;
  };

  ByteRing(const Stream& incoming, const Stream& outgoing) : incoming_(incoming), outgoing_(outgoing) {}
  static ByteRing swapped(const ByteRing& ring) { return {ring.outgoing_, ring.incoming_}; }

  Stream incoming_;
  Stream outgoing_;
};

}  // namespace krata::xen
