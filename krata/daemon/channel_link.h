// The host's end of the messages with a zone: its second console's ring, as soon as the zone's kernel offers it.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "common/result.h"
#include "krata/channel/channel.h"
#include "krata/console/lines.h"
#include "krata/daemon/host.h"
#include "krata/daemon/pace.h"
#include "krata/xen/byte_ring.h"

namespace krata::daemon {

inline console::Stream stream_of(channel::Stream stream) {
  return stream == channel::Stream::error ? console::Stream::error : console::Stream::output;
}

class ChannelLink {
 public:
  using Handler = std::function<void(const channel::Event&)>;

  // `output_taken`: see Channel. Returns before the zone's kernel has come up; the handler is called from the loop and
  // from drain(), and may not destroy the link.
  static common::Result<std::unique_ptr<ChannelLink>> open(Host& host, std::uint32_t domain, std::uint64_t output_taken,
                                                           Handler handler);
  ChannelLink(const ChannelLink&) = delete;
  ChannelLink& operator=(const ChannelLink&) = delete;
  ~ChannelLink();

  // What there is to say to the zone is said here. It leaves with send().
  [[nodiscard]] channel::Channel& channel() { return channel_; }
  void send();
  // All that is there.
  common::Result<void> drain();
  [[nodiscard]] bool is_connected() const { return ring_.has_value(); }

 private:
  ChannelLink(Host& host, std::uint32_t domain, std::uint64_t output_taken, Handler handler);
  void look();
  common::Result<void> connect();
  void take();
  std::size_t take_some(std::size_t max_bytes);

  Host& host_;
  std::uint32_t domain_;
  Handler handler_;
  channel::Channel channel_;
  std::uint64_t watch_ = 0;
  xen::GrantMapping page_;
  std::optional<xen::ByteRing> ring_;
  xen::EventChannel event_;
  std::unique_ptr<Pace> pace_;
  bool is_broken_ = false;
  int faults_ = 0;  // of what the zone offers
};

}  // namespace krata::daemon
