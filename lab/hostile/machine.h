// What a domain without an operating system has: memory, the hypervisor's calls, a console, a clock. Nothing here needs
// a library, and nothing comes back from die().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace hostile {

inline constexpr std::size_t kPageBytes = 4096;

struct alignas(kPageBytes) Page {
  std::byte bytes[kPageBytes];
};

// The pages that the hypervisor's user shares with a domain from its start on (xen/io/xs_wire.h, xen/io/console.h).
Page& store_page();
Page& console_page();
std::uint32_t store_port();
std::uint32_t console_port();

// Lets domain `to` use the page, by the grant's number.
std::uint32_t grant(const Page& page, std::uint16_t to = 0);
void revoke(std::uint32_t grant);

// A port that domain 0 may bind.
std::uint32_t new_port();
void ring(std::uint32_t port);

std::uint64_t now_ns();  // since the machine's start
// Until somebody rings the port, at most so long.
void wait(std::uint32_t port, std::uint64_t at_most_ns);
void sleep(std::uint64_t ns);

// On the console, a line.
void say(std::string_view text, std::string_view more = {});
// The same without waiting for anybody who reads it.
[[noreturn]] void power_off();
[[noreturn]] void die(std::string_view why);

// A word that two domains share.
inline std::uint32_t load(const Page& page, std::size_t offset) {
  return __atomic_load_n(reinterpret_cast<const std::uint32_t*>(page.bytes + offset), __ATOMIC_ACQUIRE);
}
inline void store(Page& page, std::size_t offset, std::uint32_t value) {
  __atomic_store_n(reinterpret_cast<std::uint32_t*>(page.bytes + offset), value, __ATOMIC_SEQ_CST);
}

// A short text that is put together.
class Text {
 public:
  Text& add(std::string_view text) {
    for (const char c : text) {
      if (size_ < sizeof(bytes_)) {
        bytes_[size_++] = c;
      }
    }
    return *this;
  }
  Text& add(std::uint64_t number);
  Text& end() { return add(std::string_view("\0", 1)); }  // as xenstore ends its words
  [[nodiscard]] std::string_view view() const { return {bytes_, size_}; }
  [[nodiscard]] std::uint64_t number() const;

 private:
  char bytes_[kPageBytes];
  std::size_t size_ = 0;
};

// Said on the console, and counted: how what was tried went.
void check(std::string_view what, bool is_right, std::string_view seen = {});

}  // namespace hostile
