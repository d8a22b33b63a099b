#include "krata/backend/disk_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

namespace krata::backend {

using block::BusState;
using common::Error;
using common::Result;

namespace {

constexpr int kMaxFaults = 16;  // a kernel's front end makes none

}  // namespace

// By the hypervisor, so that no grant that is revoked meanwhile ends this process.
class DiskLink::Copier final : public block::GrantCopier {
 public:
  explicit Copier(Zone& zone) : zone_(zone) {}

  Result<void> copy(std::span<block::Copy> copies) override {
    list_.clear();
    for (const block::Copy& copy : copies) {
      list_.push_back(
          {.direction = copy.to_zone ? xen::GrantCopy::Direction::to_grant : xen::GrantCopy::Direction::from_grant,
           .domain = static_cast<xen::DomainId>(zone_.domain),
           .ref = copy.grant,
           .offset = copy.offset_bytes,
           .local = {copy.ours, copy.length_bytes}});
    }
    KRAIT_CHECK(zone_.grants.copy(list_));
    for (std::size_t i = 0; i < copies.size(); ++i) {
      copies[i].done = list_[i].is_done;
    }
    return {};
  }

 private:
  Zone& zone_;
  std::vector<xen::GrantCopy> list_;
};

class DiskLink::Bell final : public block::Notifier {
 public:
  explicit Bell(const xen::EventChannel& event) : event_(event) {}
  void notify() override { std::ignore = event_.notify(); }

 private:
  const xen::EventChannel& event_;
};

DiskLink::DiskLink(Zone& zone, std::uint32_t number, std::unique_ptr<block::Medium> medium, xen::Mapping memory)
    : zone_(zone),
      front_(fmt::format("/local/domain/{}/device/vbd/{}", zone.domain, number)),
      back_(fmt::format("/local/domain/0/backend/krata-vbd/{}/{}", zone.domain, number)),
      medium_(std::move(medium)),
      memory_(std::move(memory)),
      copier_(std::make_unique<Copier>(zone)),
      bell_(std::make_unique<Bell>(event_)) {}

Result<void> DiskLink::write_state(BusState state) {
  KRAIT_CHECK(zone_.store.write(back_ + "/state", std::to_string(static_cast<int>(state))));
  state_ = state;
  return {};
}

Result<void> DiskLink::start() {
  KRAIT_TRY(const auto front, zone_.store.find(front_state()));
  if (front == std::to_string(static_cast<int>(BusState::connected))) {
    state_ = BusState::init_wait;  // as if it had just come: the ring is where it was
    look();
    return {};
  }
  memory().under_way = {};  // of another ring
  for (const auto& [name, value] :
       block::offered_keys({.sectors = medium_->sectors(), .read_only = medium_->read_only()})) {
    if (name != "state") {
      KRAIT_CHECK(zone_.store.write(back_ + "/" + name, value));
    }
  }
  KRAIT_CHECK(write_state(BusState::init_wait));
  look();
  return {};
}

void DiskLink::look() {
  if (const auto followed = follow(); !followed) {
    note_fault(fmt::format("{}: {}", back_, followed.error().text()));
  }
}

void DiskLink::note_fault(std::string_view what) {
  if (faults_ < kMaxFaults) {
    ++faults_;
    zone_.log.warning(fmt::format("{}{}", what, faults_ < kMaxFaults ? "" : "; it is not served any more"));
  }
}

Result<void> DiskLink::follow() {
  KRAIT_TRY(const auto front, zone_.store.find(front_state()));
  if (front && faults_ == kMaxFaults) {
    return {};
  }
  switch (block::next_step(state_, front)) {
    case block::Step::wait:
      return {};
    case block::Step::offer:
      return start();
    case block::Step::connect:
      return connect();
    case block::Step::disconnect:
      let_go();
      return write_state(BusState::closed);
    case block::Step::finish:
      let_go();
      is_finished_ = true;
      return {};
  }
  return {};
}

Result<void> DiskLink::connect() {
  block::Keys keys;
  KRAIT_TRY(const auto names, zone_.store.directory(front_));
  for (const std::string& name : names) {
    KRAIT_TRY(const auto value, zone_.store.find(front_ + "/" + name));
    keys.emplace(name, value.value_or(""));
  }
  KRAIT_TRY(const auto place, block::ring_place(keys));
  KRAIT_TRY(ring_, zone_.grants.map(static_cast<xen::DomainId>(zone_.domain), place.grants), "map the ring");
  KRAIT_TRY(event_, zone_.events.bind(static_cast<xen::DomainId>(zone_.domain), place.event_channel),
            "bind the ring's event");
  disk_ = std::make_unique<block::Disk>(ring_.bytes(), memory(), *medium_, *copier_, *bell_);
  for (const auto& [name, value] :
       block::connected_keys({.sectors = medium_->sectors(), .read_only = medium_->read_only()})) {
    KRAIT_CHECK(zone_.store.write(back_ + "/" + name, value));
  }
  KRAIT_CHECK(write_state(BusState::connected));
  serve();
  bell_->notify();  // a former process may not have come to say that it had answered
  return {};
}

void DiskLink::let_go() {
  disk_.reset();
  event_ = {};
  ring_ = {};
}

bool DiskLink::serve() {
  if (!disk_) {
    return false;
  }
  const block::Progress progress = disk_->serve();
  if (progress == block::Progress::broken) {
    note_fault(fmt::format("{} has a broken ring: {}", back_, disk_->fault()));
    let_go();
    std::ignore = write_state(BusState::closed);
  }
  return progress == block::Progress::more;
}

}  // namespace krata::backend
