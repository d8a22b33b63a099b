#include "lab/zone/zone.h"

#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <optional>
#include <tuple>
#include <utility>

#include "common/file.h"
#include "krata/boot/build.h"
#include "krata/boot/payload.h"
#include "krata/xen/byte_ring.h"
#include "krata/xen/event_channel.h"
#include "krata/xen/grants.h"
#include "krata/xen/host.h"
#include "krata/xen/xen.h"
#include "lab/zone/store_client.h"

namespace lab {

using common::Error;
using common::ErrorCode;
using common::Result;
using krata::store::Operation;
namespace xen = krata::xen;
namespace boot = krata::boot;

namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{256} << 20U;
constexpr int kLookMs = 50;  // at whether the zone has shut down, where no store tells

double cpu_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

// A zone's nodes, as its kernel and the store want them.
Result<void> introduce(StoreClient& store, const boot::BuiltDomain& built, const ZoneOptions& options) {
  const auto domain = built.domain.id();
  const std::string home = fmt::format("/local/domain/{}", domain);
  const std::string nul(1, '\0');
  const std::array<std::pair<std::string, std::string>, 8> nodes{
      {{"", ""},
       {"/name", options.name},
       {"/domid", fmt::format("{}", domain)},
       {"/memory/target", fmt::format("{}", options.memory_mib * 1024)},
       {"/store/port", fmt::format("{}", built.store_port)},
       {"/store/ring-ref", fmt::format("{}", built.store_frame)},
       {"/console/port", fmt::format("{}", built.console_port)},
       {"/console/ring-ref", fmt::format("{}", built.console_frame)}}};
  for (const auto& [name, value] : nodes) {
    KRAIT_CHECK(store.write(home + name, value));
    KRAIT_CHECK(store.ask(Operation::set_permissions, fmt::format("{0}{1}{2}n0{2}r{3}{2}", home, name, nul, domain)));
  }
  KRAIT_CHECK(store.write(home + "/data", ""));
  KRAIT_CHECK(store.ask(Operation::set_permissions, home + "/data" + nul + fmt::format("n{}", domain) + nul));
  KRAIT_CHECK(store.watch("@releaseDomain"));
  KRAIT_CHECK(store.ask(Operation::introduce, fmt::format("{}", domain) + nul + fmt::format("{}", built.store_frame) +
                                                  nul + fmt::format("{}", built.store_port) + nul));
  return {};
}

// Prints what the console says until the zone has shut down.
Result<xen::DomainInfo> watch_console(const xen::Hypervisor& hypervisor, xen::EventDevice& events,
                                      const xen::EventChannel& channel, xen::ByteRing& ring, StoreClient* store,
                                      xen::DomainId domain) {
  std::string text;
  while (true) {
    KRAIT_CHECK(events.unmask(channel.port()));
    // Asked before the ring is read: whatever a zone said before it shut down is in the ring by then.
    KRAIT_TRY(const auto info, hypervisor.domain_info(domain));
    text.clear();
    if (!ring.read(text, xen::kPageBytes)) {
      return Error(ErrorCode::invalid_input, "the zone has broken its console's ring");
    }
    if (!text.empty()) {
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
      KRAIT_CHECK(channel.notify());
      continue;
    }
    if (!info || info->is_dying) {
      return Error(ErrorCode::not_found, "the zone is gone");
    }
    if (info->shutdown) {
      return *info;
    }
    std::array<pollfd, 2> waits{{{.fd = events.fd(), .events = POLLIN, .revents = 0},
                                 {.fd = store != nullptr ? store->fd() : -1, .events = POLLIN, .revents = 0}}};
    ::poll(waits.data(), waits.size(), store != nullptr ? -1 : kLookMs);
    if (waits[0].revents != 0) {
      KRAIT_CHECK(events.take());
    }
    if (waits[1].revents != 0 && !store->next_event()) {
      store = nullptr;  // it was stopped: from now on look now and then
    }
  }
}

Result<xen::DomainInfo> boot_zone(xen::Hypervisor& hypervisor, const boot::BuiltDomain& built, StoreClient* store,
                                  const ZoneOptions& options) {
  KRAIT_TRY(const auto events, xen::EventDevice::open());
  KRAIT_TRY(const auto grants, xen::GrantDevice::open());
  const auto domain = built.domain.id();
  if (store != nullptr) {
    KRAIT_CHECK(introduce(*store, built, options), "introduce the zone");
  }
  const std::array<xen::GrantRef, 1> console{xen::kConsoleGrant};
  KRAIT_TRY(const auto page, grants->map(domain, console));
  KRAIT_TRY(const auto channel, events->bind(domain, built.console_port));
  auto ring = xen::ByteRing::console(page.bytes());
  KRAIT_CHECK(hypervisor.unpause_domain(domain));
  return watch_console(hypervisor, *events, channel, ring, store, domain);
}

}  // namespace

Result<void> run_zone(const ZoneOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  const double cpu_begin = cpu_ms();
  KRAIT_TRY(const auto hypervisor, xen::open_hypervisor());
  std::optional<StoreClient> store;
  if (!options.store.empty()) {
    KRAIT_TRY(store, StoreClient::connect(options.store));
  }
  KRAIT_TRY(auto image, common::read_file(options.kernel, kMaxFileBytes));
  std::string initramfs;
  if (!options.initramfs.empty()) {
    KRAIT_TRY(initramfs, common::read_file(options.initramfs, kMaxFileBytes));
  }
  KRAIT_TRY(const auto kernel, boot::kernel_elf(std::move(image)));
  boot::BuildRequest request;
  request.kernel = kernel;
  request.initramfs = {{.bytes = initramfs}};
  request.command_line = options.command_line;
  request.memory_kib = options.memory_mib * 1024;
  request.vcpus = options.vcpus;
  KRAIT_TRY(auto built, boot::build(*hypervisor, request));
  fmt::print("lab-zone: domain {} built in {:.0f} ms of CPU\n", built.domain.id(), cpu_ms() - cpu_begin);
  std::fflush(stdout);
  KRAIT_TRY(const auto end, boot_zone(*hypervisor, built, store ? &*store : nullptr, options));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  fmt::print("lab-zone: domain {} ended with reason {} after {:.1f} s\n", built.domain.id(),
             std::to_underlying(*end.shutdown), took.count());
  KRAIT_CHECK(built.domain.destroy());
  if (*end.shutdown != xen::ShutdownReason::poweroff) {
    return Error(ErrorCode::system, "the zone did not power off");
  }
  return {};
}

Result<void> print_facts() {
  KRAIT_TRY(const auto hypervisor, xen::open_hypervisor());
  KRAIT_TRY(const auto host, xen::open_host());
  KRAIT_TRY(const auto domains, hypervisor->domains());
  KRAIT_TRY(const auto machine, host->info());
  KRAIT_TRY(const auto ports, host->ports_in_use(0));
  fmt::print("domains");
  for (const auto& domain : domains) {
    fmt::print(" {}{}", domain.id, domain.is_dying ? "(dying)" : "");
  }
  fmt::print("\nfree KiB {}\nports {}\n", machine.free_memory_kib + machine.dirty_memory_kib, ports);
  return {};
}

Result<void> print_limits(xen::DomainId domain) {
  KRAIT_TRY(const auto hypervisor, xen::open_hypervisor());
  KRAIT_TRY(const auto host, xen::open_host());
  KRAIT_TRY(const auto info, hypervisor->domain_info(domain));
  if (!info) {
    return Error(ErrorCode::not_found, "there is no such domain");
  }
  KRAIT_TRY(const auto share, host->cpu_share(domain));
  KRAIT_TRY(const auto emulation, host->emulation(domain));
  fmt::print("memory KiB {}\ncpus {}\nweight {}\ncap {}\nemulated {:#x}\nclock mode {}\n", info->memory_kib,
             info->online_vcpus, share.weight, share.cap, emulation.devices, emulation.clock_mode);
  return {};
}

Result<void> ask_store(const std::string& socket, const std::vector<std::string>& request) {
  KRAIT_TRY(auto store, StoreClient::connect(socket));
  if (request.size() == 3 && request[0] == "write") {
    return store.write(request[1], request[2]);
  }
  if (request.size() == 2 && request[0] == "read") {
    KRAIT_TRY(const auto value, store.read(request[1]));
    fmt::print("{}\n", value);
    return {};
  }
  return Error(ErrorCode::invalid_input, "read PATH, or write PATH VALUE");
}

Result<void> destroy_domain(xen::DomainId domain) {
  KRAIT_TRY(const auto hypervisor, xen::open_hypervisor());
  return hypervisor->destroy_domain(domain);
}

}  // namespace lab
