// The page that a paravirtualised domain finds its start in. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "krata/xen/types.h"

namespace krata::xen {

inline constexpr std::size_t kMaxCommandLineBytes = 1023;  // MAX_GUEST_CMDLINE of xen/xen.h, less the nul

// Addresses are the domain's own, frames the machine's.
struct StartInfo {
  std::uint64_t pages = 0;  // of the domain
  Frame shared_info = 0;
  Frame store = 0;
  Port store_port = 0;
  Frame console = 0;
  Port console_port = 0;
  std::uint64_t page_table = 0;  // address of the highest level
  std::uint64_t page_table_pages = 0;
  std::uint64_t p2m = 0;  // address of the list of the domain's frames
  Pfn p2m_first = 0;      // where the list and the tables that map it lie
  std::uint64_t p2m_pages = 0;
  Pfn initramfs = 0;
  std::uint64_t initramfs_bytes = 0;  // 0: there is none
  std::string_view command_line;      // at most kMaxCommandLineBytes
};

// struct start_info of xen/xen.h; at most a page.
std::string start_info_bytes(const StartInfo& info);

}  // namespace krata::xen
