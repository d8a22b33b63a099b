#include "krata/xen/start_info.h"

#include <cstring>

#include <xen/xen.h>

namespace krata::xen {

static_assert(kMaxCommandLineBytes == MAX_GUEST_CMDLINE - 1);
static_assert(sizeof(start_info) <= kPageBytes);

std::string start_info_bytes(const StartInfo& info) {
  constexpr std::string_view kMagic = "xen-3.0-x86_64";  // what every toolstack writes, whichever hypervisor it is
  start_info raw;
  std::memset(&raw, 0, sizeof(raw));
  std::memcpy(raw.magic, kMagic.data(), kMagic.size());
  raw.nr_pages = info.pages;
  raw.shared_info = info.shared_info * kPageBytes;
  raw.store_mfn = info.store;
  raw.store_evtchn = info.store_port;
  raw.console.domU.mfn = info.console;
  raw.console.domU.evtchn = info.console_port;
  raw.pt_base = info.page_table;
  raw.nr_pt_frames = info.page_table_pages;
  raw.mfn_list = info.p2m;
  raw.first_p2m_pfn = info.p2m_first;
  raw.nr_p2m_frames = info.p2m_pages;
  if (info.initramfs_bytes != 0) {
    raw.flags = SIF_MOD_START_PFN;
    raw.mod_start = info.initramfs;
    raw.mod_len = info.initramfs_bytes;
  }
  info.command_line.copy(reinterpret_cast<char*>(raw.cmd_line), info.command_line.size());
  return {reinterpret_cast<const char*>(&raw), sizeof(raw)};
}

}  // namespace krata::xen
