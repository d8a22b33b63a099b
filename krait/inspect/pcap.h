// Capture files (pcap and pcapng).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/result.h"

namespace krait::inspect {

enum class LinkType : std::uint8_t { raw, ipv4, ipv6, ethernet };

struct Captured {
  std::span<const std::byte> bytes;  // valid until the next call of next()
  std::size_t original_bytes = 0;    // on the wire; more than bytes.size() where the capture cut the packet
};

// A capture file that is read packet by packet. Move-only. Blocks on the file system only.
class PcapFile {
 public:
  // Fails with invalid_input when the file cannot be read or has another link type than raw IP or Ethernet.
  static common::Result<PcapFile> open(const std::string& path);

  PcapFile(PcapFile&&) noexcept;
  PcapFile& operator=(PcapFile&&) noexcept;
  ~PcapFile();

  [[nodiscard]] LinkType link_type() const;
  // Nothing: the end. Fails with invalid_input when the file is damaged from here on.
  common::Result<std::optional<Captured>> next();

 private:
  struct State;
  explicit PcapFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace krait::inspect
