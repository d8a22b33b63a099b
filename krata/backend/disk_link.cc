#include "krata/backend/disk_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace krata::backend {

using block::BusState;
using common::Error;
using common::Result;

namespace {

constexpr int kMaxFaults = 16;  // a kernel's front end makes none

}  // namespace

// Copies are the hypervisor's, so that no grant that is revoked meanwhile ends this process. What is lent is mapped
// when it is first used, and let go of when this ends.
class DiskLink::Pages final : public block::GrantedPages {
 public:
  // `most`: so many are mapped at a time.
  Pages(Zone& zone, std::size_t most) : zone_(zone), most_(most) {}

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

  bool find(std::span<const std::uint32_t> grants, std::span<std::byte*> pages) override {
    if (most_ == 0 || !map_missing(grants)) {
      return false;
    }
    std::ranges::transform(grants, pages.begin(), [this](std::uint32_t grant) { return places_.at(grant); });
    return true;
  }

 private:
  bool map_missing(std::span<const std::uint32_t> grants) {
    missing_.clear();
    std::ranges::copy_if(grants, std::back_inserter(missing_),
                         [this](std::uint32_t grant) { return !places_.contains(grant); });
    if (missing_.empty()) {
      return true;
    }
    std::ranges::sort(missing_);
    const auto twice = std::ranges::unique(missing_);
    missing_.erase(twice.begin(), twice.end());
    auto mapping = places_.size() + missing_.size() > most_
                       ? Result<xen::GrantMapping>(Error(common::ErrorCode::limit, "too many are lent"))
                       : zone_.grants.map(static_cast<xen::DomainId>(zone_.domain), missing_);
    if (!mapping) {
      return false;
    }
    for (std::size_t i = 0; i < missing_.size(); ++i) {
      places_[missing_[i]] = mapping->bytes().data() + i * block::kPageBytes;
    }
    mappings_.push_back(std::move(*mapping));
    return true;
  }

  Zone& zone_;
  std::size_t most_;
  std::vector<xen::GrantCopy> list_;
  std::vector<xen::GrantMapping> mappings_;
  std::unordered_map<std::uint32_t, std::byte*> places_;
  std::vector<std::uint32_t> missing_;
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
      back_(fmt::format("/local/domain/0/krata/vbd/{}/{}", zone.domain, number)),
      medium_(std::move(medium)),
      memory_(std::move(memory)),
      bell_(std::make_unique<Bell>(event_)) {}

Result<void> DiskLink::write_state(BusState state, const block::Keys& before) {
  std::vector<store::NewNode> nodes;
  for (const auto& [name, value] : before) {
    nodes.push_back({.path = fmt::format("{}/{}", back_, name), .value = value, .permissions = {}});
  }
  nodes.push_back({.path = back_ + "/state", .value = std::to_string(static_cast<int>(state)), .permissions = {}});
  KRAIT_CHECK(zone_.store.write(nodes));
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
  KRAIT_CHECK(write_state(BusState::init_wait, block::offered_keys(description())));
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
  KRAIT_TRY(const auto keys, zone_.store.read_all(front_));
  KRAIT_TRY(const auto place, block::ring_place(keys));
  KRAIT_TRY(ring_, zone_.grants.map(static_cast<xen::DomainId>(zone_.domain), place.grants), "map the ring");
  KRAIT_TRY(event_, zone_.events.bind(static_cast<xen::DomainId>(zone_.domain), place.event_channel),
            "bind the ring's event");
  const std::size_t most_lent = block::slots_in(ring_.bytes().size()) * std::size_t{block::kMaxIndirectSegments};
  granted_ = std::make_unique<Pages>(zone_, place.lends && block::borrows(description()) ? most_lent : 0);
  disk_ = std::make_unique<block::Disk>(ring_.bytes(), memory(), *medium_, *granted_, *bell_);
  KRAIT_CHECK(write_state(BusState::connected, block::connected_keys(description())));
  serve();
  bell_->notify();  // a former process may not have come to say that it had answered
  return {};
}

void DiskLink::let_go() {
  disk_.reset();
  granted_.reset();
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
