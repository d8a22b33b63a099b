#include "krata/daemon/run.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "common/event/lock_file.h"
#include "common/event/loopback.h"
#include "common/event/notify.h"
#include "common/event/timer.h"
#include "common/event/unix_socket.h"
#include "common/ip.h"
#include "common/memory.h"
#include "common/program.h"
#include "krata/daemon/service.h"
#include "krata/xen/xen.h"

namespace krata::daemon {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::string_view kFolderHint = "only root and kratad's user may write there; or name another one";

Result<void> make_folders(const Paths& paths) {
  KRAIT_CHECK(common::make_own_directory_of(paths.state_file(), kFolderHint));
  if (::mkdir(paths.zones().c_str(), 0700) != 0 && errno != EEXIST) {
    return Error::from_errno(errno, "make " + paths.zones());
  }
  return {};
}

common::Rights rights_of_clients(common::Log& log) {
  auto rights = common::Rights::look_up(control::kGroup);
  if (!rights) {
    log.warning("only root may do anything here: " + rights.error().text());
  }
  return rights ? *rights : common::Rights{.own_user = ::geteuid(), .group = {}};
}

// Nothing depends on the page: somebody else may have its port, and then there is none. Fails where the address is
// wrong.
Result<common::Fd> listen_for_metrics(common::Log& log, const std::string& address) {
  const auto endpoint = common::Endpoint::parse(address);
  if (!endpoint) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("--metrics {} is no address and port; write it as 127.0.0.1:9792", address));
  }
  auto listener = common::listen_tcp(*endpoint);
  if (!listener && listener.error().code() != ErrorCode::invalid_input) {
    log.warning("no metrics: " + listener.error().text());
    return common::Fd();
  }
  return listener;
}

// All zones wait for domain 0, which serves their disks, consoles and xenstore: with the weight of one of them it would
// have no more of the CPUs than one, however many want them. A weight that somebody has chosen stays.
void favour_domain_0(xen::Host& machine, common::Log& log) {
  constexpr std::uint16_t kWeight = 4096;
  const auto share = machine.cpu_share(0);
  if (!share || share->weight != xen::CpuShare{}.weight) {
    return;
  }
  if (const auto done = machine.set_cpu_share(0, {.weight = kWeight, .cap = share->cap}); !done) {
    log.warning("domain 0 has no more of the CPUs than a zone: " + done.error().text());
  }
}

}  // namespace

Result<void> run(const Options& options, common::Log& log) {
  common::map_large_blocks();  // a kernel and what a zone unpacks first are megabytes, and needed for one moment
  const Paths paths{.state_folder = options.state,
                    .programs_folder = options.programs.empty() ? common::own_folder() : options.programs,
                    .disk_user = options.disk_user};
  KRAIT_CHECK(make_folders(paths));
  KRAIT_TRY(auto metrics_socket, listen_for_metrics(log, options.metrics));
  KRAIT_TRY(const auto loop, common::Loop::create());
  bool is_told_to_end = false;
  KRAIT_TRY(const auto signals, common::Signals::receive(*loop, {SIGTERM, SIGINT}, [&](int /*number*/) {
              is_told_to_end = true;
              loop->stop();
            }));
  KRAIT_TRY(auto socket, common::ControlSocket::listen(options.socket, kFolderHint));
  KRAIT_TRY(const auto state, state::State::open(paths.state_file()));
  KRAIT_TRY(const auto hypervisor, xen::open_hypervisor());
  KRAIT_TRY(const auto machine, xen::open_host());
  favour_domain_0(*machine, log);
  KRAIT_TRY(const auto grants, xen::GrantDevice::open());
  KRAIT_TRY(auto event_device, xen::EventDevice::open());
  KRAIT_TRY(const auto events, Events::serve(*loop, std::move(event_device)));
  KRAIT_TRY(const auto watches, Watches::open(*loop, options.store));
  KnownImages images(paths.image_names());
  KRAIT_TRY(const auto info, machine->info());
  reconcile::StartQueue starts(info.cpus);
  Host host{.loop = *loop,
            .log = log,
            .paths = paths,
            .state = *state,
            .hypervisor = *hypervisor,
            .machine = *machine,
            .grants = *grants,
            .events = *events,
            .watches = *watches,
            .images = images,
            .starts = starts};
  KRAIT_TRY(const auto daemon, Daemon::start(host));
  const common::Rights rights = rights_of_clients(log);
  KRAIT_TRY(const auto service, Service::create(*daemon, rights));
  KRAIT_TRY(const auto server, common::StreamServer::serve(*loop, socket.take(),
                                                           [&](std::string_view input, const common::Client& client) {
                                                             return service->on_control(input, client);
                                                           },
                                                           rights, {.request_bytes = control::kMaxRequestBytes}));
  std::unique_ptr<common::StreamServer> metrics;
  if (metrics_socket.valid()) {
    KRAIT_TRY(metrics, common::StreamServer::serve(*loop, std::move(metrics_socket),
                                                   [&service](std::string_view input, const common::Client&) {
                                                     return service->on_http(input);
                                                   }));
  }
  common::release_free_memory();
  log.info(fmt::format("kratad {}: {} zones, on {}, xenstore at {}", KRAIT_VERSION, daemon->zones().size(),
                       hypervisor->name(), watches->store().path()));
  common::notify_ready("zones are looked after");
  KRAIT_CHECK(loop->run());
  return is_told_to_end ? Result<void>()
                        : Error(ErrorCode::unavailable, "xenstore has ended; the zones go on meanwhile");
}

}  // namespace krata::daemon
