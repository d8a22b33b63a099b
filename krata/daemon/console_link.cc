#include "krata/daemon/console_link.h"

#include <fmt/format.h>

#include <array>
#include <tuple>
#include <utility>

#include "common/clock.h"

namespace krata::daemon {

using common::Result;

namespace {

constexpr std::size_t kLineCost = 32;  // in bytes: what the log adds to each line, which may be empty

}  // namespace

ConsoleLink::ConsoleLink(Host& host, std::uint32_t domain, xen::GrantMapping page, console::LogFile log,
                         std::uint32_t run)
    : host_(host),
      domain_(domain),
      page_(std::move(page)),
      ring_(xen::ByteRing::console(page_.bytes())),
      log_(std::move(log)),
      lines_(run, log_.offset(run)),
      taken_(ring_.taken()) {}

Result<std::unique_ptr<ConsoleLink>> ConsoleLink::open(Host& host, std::uint32_t domain, std::uint32_t port,
                                                       const std::string& log_path, std::uint32_t run) {
  KRAIT_TRY(auto log, console::LogFile::open(log_path));
  const auto id = static_cast<xen::DomainId>(domain);
  constexpr std::array kGrants{xen::kConsoleGrant};
  KRAIT_TRY(auto page, host.grants.map(id, kGrants), "map the zone's console");
  std::unique_ptr<ConsoleLink> link(new ConsoleLink(host, domain, std::move(page), std::move(log), run));
  KRAIT_TRY(auto pace, Pace::create(host.loop, [raw = link.get()] { raw->take(); }));
  link->pace_ = std::make_unique<Pace>(std::move(pace));
  // A domain that has ended has no port any more, and needs none; one that has closed it is to blame itself.
  if (auto event = host.events.bind(id, port, [raw = link.get()] { raw->take(); })) {
    link->event_ = std::move(*event);
  } else {
    host.log.warning(fmt::format("the console of domain {} is read once, and not when it says more: {}", domain,
                                 event.error().text()));
  }
  link->take();
  return link;
}

ConsoleLink::~ConsoleLink() {
  host_.events.forget(event_);
  std::vector<console::Line> lines = std::move(waiting_);
  lines_.finish(common::now().unix_ns / 1000, lines);
  std::ignore = log_.append(lines);
}

Result<ConsoleLink::Taken> ConsoleLink::take_some(std::size_t max_bytes) {
  if (!waiting_.empty()) {
    KRAIT_CHECK(log_.append(waiting_));
    waiting_.clear();
  }
  std::string bytes;
  const auto got = is_broken_ ? std::nullopt : ring_.read_at(taken_, bytes, max_bytes);
  if (!got) {
    if (!std::exchange(is_broken_, true)) {
      host_.log.warning(fmt::format("domain {} has broken its console's ring; it is not read any more", domain_));
    }
    return Taken{};
  }
  lines_.add(console::Stream::console, bytes, common::now().unix_ns / 1000, waiting_);
  KRAIT_CHECK(log_.append(waiting_));
  const Taken taken{.bytes = *got, .lines = waiting_.size()};
  waiting_.clear();
  taken_ += static_cast<std::uint32_t>(*got);
  if (ring_.take_up_to(taken_) && event_.valid()) {
    std::ignore = event_.notify();
  }
  return taken;
}

void ConsoleLink::take() {
  for (std::size_t room = pace_->room(); room > 0;) {
    const auto got = take_some(room);
    if (!got && !std::exchange(is_waiting_, true)) {
      host_.log.error("the zone's console waits: " + got.error().text());
    }
    is_waiting_ = !got;
    if (got && got->bytes == 0) {
      return;
    }
    const std::size_t cost = got ? got->bytes + got->lines * kLineCost : room;  // tried again in a while
    pace_->took(cost);
    room -= std::min(room, cost);
  }
}

Result<void> ConsoleLink::drain() {
  constexpr std::size_t kMostBytes = std::size_t{1} << 20U;  // many times what a ring holds
  for (std::size_t left = kMostBytes; left > 0;) {
    KRAIT_TRY(const auto got, take_some(left));
    if (got.bytes == 0) {
      break;
    }
    left -= got.bytes;
  }
  return {};
}

}  // namespace krata::daemon
