// One disk: follows its front end in xenstore, and serves the ring that it offers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/log.h"
#include "common/result.h"
#include "krata/block/disk.h"
#include "krata/block/handshake.h"
#include "krata/block/ports.h"
#include "krata/store/client.h"
#include "krata/xen/event_channel.h"
#include "krata/xen/grants.h"
#include "krata/xen/mapping.h"

namespace krata::backend {

// What all disks of a zone share. Outlives them.
struct Zone {
  std::uint32_t domain;
  common::Log& log;
  store::StoreClient& store;
  xen::EventDevice& events;
  xen::GrantDevice& grants;
};

class DiskLink {
 public:
  // `memory` has a block::DiskMemory's bytes, and outlives this process.
  DiskLink(Zone& zone, std::uint32_t number, std::unique_ptr<block::Medium> medium, xen::Mapping memory);
  DiskLink(const DiskLink&) = delete;
  DiskLink& operator=(const DiskLink&) = delete;

  // Offers the disk. Where a front end is connected already it goes on with that: a former process has ended.
  common::Result<void> start();
  // The front end's state has changed, or may have. What is wrong with it is in the log; one that goes wrong again and
  // again is given up.
  void look();
  // True: there is more to do, after others had their turn.
  bool serve();

  [[nodiscard]] xen::Port port() const { return event_.port(); }
  [[nodiscard]] std::string front_state() const { return front_ + "/state"; }
  [[nodiscard]] bool is_finished() const { return is_finished_; }

 private:
  class Pages;
  class Bell;

  [[nodiscard]] block::DiskDescription description() const {
    return {.sectors = medium_->sectors(), .read_only = medium_->read_only()};
  }
  [[nodiscard]] block::DiskMemory& memory() { return *reinterpret_cast<block::DiskMemory*>(memory_.bytes().data()); }
  common::Result<std::optional<std::string>> front_end();
  common::Result<void> follow();
  common::Result<void> connect();
  void note_fault(std::string_view what);
  void let_go();
  // Behind the keys that belong to it.
  common::Result<void> write_state(block::BusState state, const block::Keys& before = {});

  Zone& zone_;
  std::string front_;
  std::string back_;
  std::unique_ptr<block::Medium> medium_;
  xen::Mapping memory_;
  block::BusState state_ = block::BusState::unknown;
  xen::GrantMapping ring_;
  xen::EventChannel event_;
  std::unique_ptr<block::GrantedPages> granted_;
  std::unique_ptr<block::Notifier> bell_;
  std::unique_ptr<block::Disk> disk_;
  bool is_finished_ = false;
  int faults_ = 0;
};

}  // namespace krata::backend
