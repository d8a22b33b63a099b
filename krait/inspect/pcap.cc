#include "krait/inspect/pcap.h"

#include <fmt/format.h>
#include <pcap/pcap.h>

#include <array>
#include <utility>

namespace krait::inspect {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct Closer {
  void operator()(pcap_t* capture) const { pcap_close(capture); }
};

// The numbers of the file formats (tcpdump.org/linktypes.html); libpcap turns 101 into one of the older two.
std::optional<LinkType> link_type_of(int number) {
  switch (number) {
    case 1:
      return LinkType::ethernet;
    case 12:
    case 14:
    case 101:
      return LinkType::raw;
    case 228:
      return LinkType::ipv4;
    case 229:
      return LinkType::ipv6;
    default:
      return std::nullopt;
  }
}

}  // namespace

struct PcapFile::State {
  std::string path;
  std::unique_ptr<pcap_t, Closer> capture;
  LinkType link_type = LinkType::raw;
};

PcapFile::PcapFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
PcapFile::PcapFile(PcapFile&&) noexcept = default;
PcapFile& PcapFile::operator=(PcapFile&&) noexcept = default;
PcapFile::~PcapFile() = default;

Result<PcapFile> PcapFile::open(const std::string& path) {
  std::array<char, PCAP_ERRBUF_SIZE> message{};
  auto state = std::make_unique<State>();
  state->path = path;
  state->capture.reset(pcap_open_offline(path.c_str(), message.data()));
  if (!state->capture) {
    return Error(ErrorCode::invalid_input, fmt::format("read the capture {}: {}", path, message.data()));
  }
  const int number = pcap_datalink(state->capture.get());
  const auto link_type = link_type_of(number);
  if (!link_type) {
    const char* name = pcap_datalink_val_to_name(number);
    return Error(ErrorCode::invalid_input,
                 fmt::format("{} has link type {} ({}); capture on the WireGuard interface or on Ethernet", path,
                             number, name != nullptr ? name : "unknown"));
  }
  state->link_type = *link_type;
  return PcapFile(std::move(state));
}

LinkType PcapFile::link_type() const { return state_->link_type; }

Result<std::optional<Captured>> PcapFile::next() {
  pcap_pkthdr* header = nullptr;
  const unsigned char* data = nullptr;
  const int got = pcap_next_ex(state_->capture.get(), &header, &data);
  if (got == PCAP_ERROR_BREAK) {
    return std::optional<Captured>();
  }
  if (got != 1) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("read the capture {}: {}", state_->path, pcap_geterr(state_->capture.get())));
  }
  return std::optional<Captured>(
      Captured{.bytes = std::as_bytes(std::span(data, header->caplen)), .original_bytes = header->len});
}

}  // namespace krait::inspect
