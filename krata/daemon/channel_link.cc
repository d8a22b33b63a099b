#include "krata/daemon/channel_link.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string>
#include <tuple>
#include <utility>

#include "common/clock.h"
#include "krata/daemon/devices.h"

namespace krata::daemon {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// enum xenbus_state of xen/io/xenbus.h.
constexpr const char* kInitialised = "3";
constexpr const char* kConnected = "4";

constexpr int kMaxFaults = 16;  // a kernel's front end makes none

constexpr std::size_t kMaxFeed = std::size_t{64} << 10U;

Result<std::uint32_t> number_in(const std::string& text, const char* what) {
  std::uint32_t number = 0;
  const auto [rest, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || rest != text.data() + text.size()) {
    return Error(ErrorCode::invalid_input, fmt::format("the zone gives no number as {}", what));
  }
  return number;
}

}  // namespace

ChannelLink::ChannelLink(Host& host, std::uint32_t domain, std::uint64_t output_taken, Handler handler)
    : host_(host),
      domain_(domain),
      handler_(std::move(handler)),
      channel_(output_taken, static_cast<std::uint64_t>(common::now().unix_ns)) {}

Result<std::unique_ptr<ChannelLink>> ChannelLink::open(Host& host, std::uint32_t domain, std::uint64_t output_taken,
                                                       Handler handler) {
  std::unique_ptr<ChannelLink> link(new ChannelLink(host, domain, output_taken, std::move(handler)));
  KRAIT_TRY(auto pace, Pace::create(host.loop, [raw = link.get()] { raw->take(); }));
  link->pace_ = std::make_unique<Pace>(std::move(pace));
  KRAIT_TRY(link->watch_, host.watches.add(channel_front(domain) + "/state", [raw = link.get()] { raw->look(); }));
  return link;
}

ChannelLink::~ChannelLink() {
  host_.watches.remove(watch_);
  host_.events.forget(event_);
}

void ChannelLink::look() {
  if (ring_ || faults_ == kMaxFaults) {
    return;
  }
  const auto state = host_.watches.store().find(channel_front(domain_) + "/state");
  if (!state || !*state || (**state != kInitialised && **state != kConnected)) {
    return;
  }
  if (auto connected = connect(); !connected) {
    ++faults_;
    host_.log.warning(fmt::format("the channel of domain {}: {}{}", domain_, connected.error().text(),
                                  faults_ < kMaxFaults ? "" : "; it is not looked at any more"));
  }
}

Result<void> ChannelLink::connect() {
  store::StoreClient& store = host_.watches.store();
  const std::string front = channel_front(domain_);
  KRAIT_TRY(const auto grant_text, store.read(front + "/ring-ref"));
  KRAIT_TRY(const auto port_text, store.read(front + "/port"));
  KRAIT_TRY(const std::uint32_t grant, number_in(grant_text, "ring-ref"));
  KRAIT_TRY(const std::uint32_t port, number_in(port_text, "port"));
  const std::array<xen::GrantRef, 1> grants{grant};
  KRAIT_TRY(page_, host_.grants.map(static_cast<xen::DomainId>(domain_), grants), "map the ring");
  ring_ = xen::ByteRing::console(page_.bytes());
  if (auto event = host_.events.bind(static_cast<xen::DomainId>(domain_), port, [this] { take(); })) {
    event_ = std::move(*event);
  } else {
    host_.log.warning(
        fmt::format("domain {} is not heard when it speaks by its channel: {}", domain_, event.error().text()));
  }
  KRAIT_CHECK(store.write(channel_back(domain_) + "/state", kConnected));
  take();
  return {};
}

std::size_t ChannelLink::take_some(std::size_t max_bytes) {
  std::string bytes;
  const auto got = is_broken_ ? std::nullopt : ring_->read(bytes, std::min(max_bytes, kMaxFeed));
  if (!got) {
    if (!std::exchange(is_broken_, true)) {
      host_.log.warning(fmt::format("domain {} has broken its channel's ring; it is not read any more", domain_));
    }
    return 0;
  }
  channel_.feed(bytes);
  while (const auto event = channel_.next_event()) {
    handler_(*event);
  }
  if (*got > 0 && event_.valid()) {
    std::ignore = event_.notify();
  }
  return *got;
}

void ChannelLink::take() {
  for (std::size_t room = ring_ ? pace_->room() : 0; room > 0 && ring_;) {
    const std::size_t got = take_some(room);
    if (got == 0) {
      break;
    }
    pace_->took(got);
    room -= got;
  }
  send();
}

void ChannelLink::send() {
  if (!ring_ || is_broken_) {
    return;
  }
  bool has_sent = false;
  while (!channel_.to_send().empty()) {
    const auto put = ring_->write(channel_.to_send());
    if (!put || *put == 0) {
      break;  // the zone rings when it has taken some
    }
    channel_.sent(*put);
    has_sent = true;
  }
  if (has_sent && event_.valid()) {
    std::ignore = event_.notify();
  }
}

Result<void> ChannelLink::drain() {
  constexpr std::size_t kMostBytes = std::size_t{1} << 20U;
  look();
  for (std::size_t left = kMostBytes; ring_ && left > 0;) {
    const std::size_t got = take_some(left);
    if (got == 0) {
      break;
    }
    left -= std::min(left, got);
  }
  return {};
}

}  // namespace krata::daemon
