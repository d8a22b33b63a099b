// For tests: a host of zones in memory. Its domains are a list that the test writes, xenstore is krata-store's own.
#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/event/loop.h"
#include "common/log.h"
#include "common/test_folder.h"
#include "krata/daemon/host.h"
#include "krata/store/server_fixture.h"
#include "krata/xen/device_fixture.h"

namespace krata::daemon {

// Builds nothing. Pausing, destroying and the like are as fast as they are said.
class TestHypervisor final : public xen::Hypervisor {
 public:
  using Done = common::Result<void>;

  std::vector<xen::DomainInfo> list;
  bool fails_to_destroy = false;

  common::Result<xen::DomainId> create_domain(const xen::DomainSettings& /*settings*/) override { return refusal(); }
  Done destroy_domain(xen::DomainId domain) override {
    if (fails_to_destroy) {
      return refusal();
    }
    std::erase_if(list, [&](const xen::DomainInfo& info) { return info.id == domain; });
    return {};
  }
  Done pause_domain(xen::DomainId /*domain*/) override { return {}; }
  Done unpause_domain(xen::DomainId /*domain*/) override { return {}; }
  [[nodiscard]] common::Result<std::optional<xen::DomainInfo>> domain_info(xen::DomainId domain) const override {
    const auto found = std::ranges::find(list, domain, &xen::DomainInfo::id);
    return found == list.end() ? std::nullopt : std::optional(*found);
  }
  [[nodiscard]] common::Result<std::vector<xen::DomainInfo>> domains() const override { return list; }
  Done set_max_memory(xen::DomainId /*domain*/, std::uint64_t /*kib*/) override { return {}; }
  common::Result<std::vector<xen::Frame>> populate(xen::DomainId /*domain*/, std::uint64_t /*pages*/) override {
    return refusal();
  }
  common::Result<xen::Mapping> map(xen::DomainId /*domain*/, std::span<const xen::Frame> /*frames*/) override {
    return refusal();
  }
  common::Result<xen::Port> allocate_unbound_port(xen::DomainId /*domain*/, xen::DomainId /*remote*/) override {
    return refusal();
  }
  Done seed_grants(xen::DomainId /*domain*/, std::span<const xen::Grant> /*grants*/) override { return refusal(); }
  Done write_hypercall_page(xen::DomainId /*domain*/, xen::Frame /*frame*/) override { return refusal(); }
  Done pin_page_table(xen::DomainId /*domain*/, xen::Frame /*highest_level*/) override { return refusal(); }
  Done prepare_shared_info(xen::DomainId /*domain*/) override { return refusal(); }
  Done start_vcpu(xen::DomainId /*domain*/, const xen::VcpuStart& /*start*/) override { return refusal(); }
  [[nodiscard]] const std::string& name() const override { return name_; }

 private:
  static common::Error refusal() { return {common::ErrorCode::unsupported, "it is not done here"}; }

  std::string name_ = "none";
};

class TestMachine final : public xen::Host {
 public:
  [[nodiscard]] common::Result<xen::HostInfo> info() const override { return xen::HostInfo{.cpus = 2}; }
  [[nodiscard]] common::Result<std::vector<xen::CpuPlace>> cpu_places() const override {
    return std::vector<xen::CpuPlace>();
  }
  [[nodiscard]] common::Result<std::string> log() const override { return std::string(); }
  [[nodiscard]] common::Result<xen::CpuShare> cpu_share(xen::DomainId /*domain*/) const override {
    return xen::CpuShare();
  }
  common::Result<void> set_cpu_share(xen::DomainId /*domain*/, const xen::CpuShare& /*share*/) override { return {}; }
  [[nodiscard]] common::Result<xen::Emulation> emulation(xen::DomainId /*domain*/) const override {
    return xen::Emulation();
  }
  [[nodiscard]] common::Result<std::uint32_t> ports_in_use(xen::DomainId /*domain*/) const override { return 0U; }
};

class TestHost {
 public:
  TestHost() {
    ::mkdir(paths.zones().c_str(), 0700);
    auto device = xen::TestEvents::create();
    event_device = device.get();
    events_ = Events::serve(*loop, std::move(device)).value();
    host_.emplace(Host{.loop = *loop,
                       .log = log_,
                       .paths = paths,
                       .state = *state,
                       .hypervisor = hypervisor,
                       .machine = machine_,
                       .grants = grants,
                       .events = *events_,
                       .watches = *watches,
                       .images = images_,
                       .starts = starts_});
  }

  operator Host&() { return *host_; }  // NOLINT(google-explicit-constructor): it is one

  // Runs the loop until `holds`, which is asked every few milliseconds; a test that waits in vain is ended by its
  // runner.
  void run_until(std::function<bool()> holds) {
    auto timer = common::Timer::create(*loop, [&] {
                   if (holds()) {
                     loop->stop();
                   }
                 }).value();
    timer.every(std::chrono::milliseconds(2));
    [[maybe_unused]] const auto ran = loop->run();
  }

  common::TestFolder folder;
  std::unique_ptr<common::Loop> loop = common::Loop::create().value();
  Paths paths{.state_folder = folder.path(), .programs_folder = folder.at("programs"), .disk_user = ""};
  store::ServedStore store;
  std::unique_ptr<state::State> state = state::State::open(paths.state_file()).value();
  TestHypervisor hypervisor;
  xen::TestGrants grants;
  xen::TestEvents* event_device = nullptr;
  std::unique_ptr<Watches> watches = Watches::open(*loop, store.path()).value();

 private:
  common::Log log_{"test"};
  TestMachine machine_;
  std::unique_ptr<Events> events_;
  KnownImages images_{paths.image_names()};
  reconcile::StartQueue starts_{2};
  std::optional<Host> host_;
};

}  // namespace krata::daemon
