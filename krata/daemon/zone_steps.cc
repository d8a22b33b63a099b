// What each step does for a zone.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <utility>

#include "common/answer.h"
#include "common/file.h"
#include "krata/daemon/bundle_file.h"
#include "krata/daemon/domain_builder.h"
#include "krata/daemon/files.h"
#include "krata/daemon/zone.h"
#include "krata/reconcile/restart.h"

namespace krata::daemon {

using common::Error;
using common::ErrorCode;
using common::Result;
using model::End;
using model::Goal;
using reconcile::Progress;
using reconcile::Step;

namespace {

constexpr std::size_t kMaxPortsBytes = 4096;

Result<void> remove_file(const std::string& path) {
  return ::unlink(path.c_str()) == 0 || errno == ENOENT ? Result<void>() : Error::from_errno(errno, "remove " + path);
}

std::string ports_text(const BuiltPorts& ports) {
  return common::json_line({{"domain", ports.domain},
                            {"console_port", ports.console_port},
                            {"store_port", ports.store_port},
                            {"console_frame", ports.console_frame},
                            {"store_frame", ports.store_frame},
                            {"cpus", ports.cpus},
                            {"memory_mib", ports.memory_mib}});
}

Result<BuiltPorts> read_ports(const std::string& path) {
  KRAIT_TRY(const auto text, common::read_file(path, kMaxPortsBytes));
  const auto json = common::parse_json_object(text);
  if (!json) {
    return Error(ErrorCode::invalid_input, path + " is damaged");
  }
  return BuiltPorts{.domain = static_cast<std::uint32_t>(common::number_at(*json, "domain")),
                    .console_port = static_cast<std::uint32_t>(common::number_at(*json, "console_port")),
                    .store_port = static_cast<std::uint32_t>(common::number_at(*json, "store_port")),
                    .console_frame = common::number_at(*json, "console_frame"),
                    .store_frame = common::number_at(*json, "store_frame"),
                    .cpus = static_cast<std::uint32_t>(common::number_at(*json, "cpus")),
                    .memory_mib = static_cast<std::uint32_t>(common::number_at(*json, "memory_mib"))};
}

// As a step that is done at once.
Result<Progress> done(Result<void> result) {
  return result ? Result<Progress>(Progress::done) : Result<Progress>(std::move(result.error()));
}

}  // namespace

Result<Progress> Zone::carry_out(Step step) {
  switch (step) {
    case Step::make_folder:
      return done(make_folder(folder()));
    case Step::make_root:
      return make_root();
    case Step::make_bundle:
      return done(make_bundle());
    case Step::build:
      return done(build());
    case Step::note_built:
      return done(note_built());
    case Step::add_devices:
      return done(add_devices());
    case Step::serve_disks:
      return done(serve_disks());
    case Step::hear:
      return done(hear());
    case Step::unpause:
      return done(unpause());
    case Step::ask_to_stop:
      ask_to_stop();
      return Progress::done;
    case Step::halt:
      return done(domain_ ? host_.hypervisor.pause_domain(domain_->id) : Result<void>());
    case Step::drain:
      return done(drain());
    case Step::note_end:
      return done(note_end());
    case Step::let_go:
      channel_.reset();
      console_.reset();
      log_.reset();
      waiting_lines_.clear();
      return Progress::done;
    case Step::destroy:
      return done(destroy());
    case Step::stop_disks:
      return disk_server_->stop() ? Progress::done : Progress::pending;
    case Step::remove_devices:
      return done(remove_devices());
    case Step::remove_bundle:
      return done(remove_file(bundle_path()));
    case Step::begin_again:
      return done(begin_again());
    case Step::remove_folder: {
      std::error_code failed;
      std::filesystem::remove_all(folder(), failed);
      return failed ? Result<Progress>(Error::from_errno(failed.value(), "remove " + folder())) : Progress::done;
    }
    case Step::forget:
      return done(host_.state.remove(record_.id));
  }
  return Progress::done;
}

Result<Progress> Zone::make_root() {
  if (const auto known = host_.images.find(record_.spec.image);
      known && !root_maker_ && exists(host_.paths.root(*known)) && exists(host_.paths.config(*known))) {
    model::ZoneRecord record = record_;
    record.root = *known;
    return done(save(record));
  }
  if (!root_maker_) {
    root_maker_ = std::make_unique<RootMaker>(
        host_.loop, host_.paths, host_.images, record_.spec.image, [this](Result<std::string> made) {
          model::ZoneRecord record = record_;
          record.root = made ? *made : "";
          const auto saved = made ? save(record) : std::move(made.error());
          if (!saved) {
            failure_ = saved.error().text();
            host_.log.error(fmt::format("zone {}: {}", record_.spec.name, failure_));
            has_given_up_ = true;
          }
          root_maker_.reset();
          wake_();
        });
    KRAIT_CHECK(root_maker_->start());
  }
  return Progress::pending;
}

Result<void> Zone::make_bundle() {
  KRAIT_TRY(const auto config, common::read_file(host_.paths.config(record_.root), kMaxConfigBytes));
  KRAIT_TRY(const auto bundle, bundle_of(record_, config));
  KRAIT_TRY(const auto bytes, bundle::write_bundle(bundle));
  return common::write_file(bundle_path(), bytes, 0600);
}

Result<void> Zone::build() {
  const model::Resources& resources = record_.spec.resources;
  KRAIT_TRY(auto built, build_domain(host_.hypervisor, host_.paths, record_));
  const BuiltPorts ports{.domain = built.domain.id(),
                         .console_port = built.console_port,
                         .store_port = built.store_port,
                         .console_frame = built.console_frame,
                         .store_frame = built.store_frame,
                         .cpus = resources.cpus,
                         .memory_mib = resources.memory_mib};
  KRAIT_CHECK(common::write_file(folder() + "/domain", ports_text(ports), 0600));
  [[maybe_unused]] const auto id = built.domain.release();
  return {};
}

Result<void> Zone::note_built() {
  KRAIT_TRY(const auto ports, read_ports(folder() + "/domain"));
  model::ZoneRecord record = record_;
  record.domain = ports.domain;
  has_devices_ = false;
  return save(record);
}

std::vector<Disk> Zone::disks() const { return disks_of(record_, host_.paths.root(record_.root), bundle_path()); }

bool Zone::has_devices() {
  if (!record_.domain) {
    return false;
  }
  if (!has_devices_) {
    for (const std::string& path : paths_of(record_.id, *record_.domain)) {
      const auto found = host_.watches.store().find(path);
      has_devices_ = has_devices_.value_or(false) || (found && found->has_value());
    }
  }
  return *has_devices_;
}

Result<void> Zone::add_devices() {
  KRAIT_TRY(const auto ports, read_ports(folder() + "/domain"));
  store::StoreClient& store = host_.watches.store();
  KRAIT_CHECK(store.write(nodes_of(record_, ports, disks())));
  KRAIT_CHECK(store.introduce(ports.domain, ports.store_frame, ports.store_port));
  has_devices_ = true;
  return {};
}

Result<void> Zone::serve_disks() { return disk_server_->start(host_.paths, *record_.domain, disks()); }

Result<void> Zone::hear() {
  KRAIT_TRY(const auto ports, read_ports(folder() + "/domain"));
  KRAIT_TRY(log_, console::LogFile::open(log_path()));
  logged_offset_ = log_->offset(record_.run);
  lines_.emplace(record_.run, logged_offset_);
  KRAIT_TRY(auto console, ConsoleLink::open(host_, ports.domain, ports.console_port, kernel_log_path(), record_.run));
  KRAIT_TRY(channel_, ChannelLink::open(host_, ports.domain, logged_offset_,
                                        [this](const channel::Event& event) { on_channel(event); }));
  console_ = std::move(console);
  return {};
}

namespace {

xen::CpuShare share_of(const model::Resources& resources) {
  return {.weight = static_cast<std::uint16_t>(resources.weight), .cap = static_cast<std::uint16_t>(resources.cap)};
}

}  // namespace

Result<void> Zone::unpause() {
  const model::Resources& resources = record_.spec.resources;
  if (const model::Resources usual; resources.weight != usual.weight || resources.cap != usual.cap) {
    KRAIT_CHECK(host_.machine.set_cpu_share(static_cast<xen::DomainId>(*record_.domain), share_of(resources)));
  }
  KRAIT_CHECK(host_.hypervisor.unpause_domain(static_cast<xen::DomainId>(*record_.domain)));
  model::ZoneRecord record = record_;
  record.started_s = std::time(nullptr);
  return save(record);
}

Result<void> Zone::drain() {
  if (channel_) {
    KRAIT_CHECK(channel_->drain());
  }
  if (!flush_log()) {
    return Error(ErrorCode::unavailable, failure_);
  }
  return console_ ? console_->drain() : Result<void>();
}

// Of a zone that has not said how.
End Zone::end_now() const {
  if (record_.started_s == 0 && has_given_up_) {
    return {.reason = End::Reason::not_started, .code = model::kUnknownCode, .signal = 0, .text = failure_};
  }
  if (goal() != Goal::run) {
    return {.reason = End::Reason::stopped, .code = 137, .signal = 9, .text = ""};
  }
  if (domain_ && domain_->shutdown == xen::ShutdownReason::crash) {
    return {.reason = End::Reason::panicked,
            .code = model::kUnknownCode,
            .signal = 0,
            .text = "see krata zone logs --kernel"};
  }
  return {.reason = End::Reason::lost,
          .code = model::kUnknownCode,
          .signal = 0,
          .text = domain_ ? "its zone has ended without a word" : "its domain is gone"};
}

Result<void> Zone::note_end() {
  model::ZoneRecord record = record_;
  if (pending_end_) {
    record.heard_end = pending_end_;  // its lines could not be written
  }
  record.end = record.heard_end ? *record.heard_end : end_now();
  if (record.heard_end && goal() != Goal::run && record.end->reason != End::Reason::not_started) {
    record.end->reason = End::Reason::stopped;
  }
  record.ended_s = std::time(nullptr);
  record.failures = reconcile::count_failures(record, record.failures);
  KRAIT_CHECK(save(record));
  pending_end_.reset();
  is_container_running_ = false;
  overdue_at_.reset();
  host_.log.info(fmt::format("zone {} has ended: {}, code {}", record.spec.name, model::name_of(record.end->reason),
                             record.end->code));
  return {};
}

Result<void> Zone::destroy() {
  if (!domain_) {
    return {};
  }
  // Gone is as good.
  if (auto destroyed = host_.hypervisor.destroy_domain(domain_->id);
      !destroyed && destroyed.error().code() != ErrorCode::not_found) {
    return destroyed;
  }
  return {};
}

Result<void> Zone::remove_devices() {
  store::StoreClient& store = host_.watches.store();
  // A store forgets by itself a domain that is gone.
  if (auto released = store.release(*record_.domain); !released && released.error().code() == ErrorCode::unavailable) {
    return released;
  }
  for (const std::string& path : paths_of(record_.id, *record_.domain)) {
    KRAIT_CHECK(store.remove(path));
  }
  has_devices_ = false;
  return {};
}

Result<void> Zone::begin_again() {
  model::ZoneRecord record = record_;
  ++record.run;
  record.is_to_start = false;
  record.domain.reset();
  record.started_s = 0;
  record.ended_s = 0;
  record.heard_end.reset();
  record.end.reset();
  KRAIT_CHECK(save(record));
  is_container_running_ = was_asked_ = has_given_up_ = false;
  overdue_at_.reset();
  has_devices_.reset();
  failure_.clear();
  return {};
}

void Zone::ask_to_stop() {
  was_asked_ = true;
  patience_end_ = Clock::now() + patience_;
  if (channel_) {
    channel_->channel().stop();
    channel_->send();
  }
}

// A domain can have what it was built for; for more the zone has to be started anew.
Result<void> Zone::apply(const model::Resources& resources) {
  KRAIT_TRY(const auto ports, read_ports(folder() + "/domain"));
  if (resources.memory_mib > ports.memory_mib || resources.cpus > ports.cpus) {
    return Error(ErrorCode::limit,
                 fmt::format("zone {} was started with {}M and {} CPUs, and cannot have more until it is "
                             "stopped and started again",
                             record_.spec.name, ports.memory_mib, ports.cpus));
  }
  const model::Resources& now = record_.spec.resources;
  if (resources.weight != now.weight || resources.cap != now.cap) {
    KRAIT_CHECK(host_.machine.set_cpu_share(static_cast<xen::DomainId>(ports.domain), share_of(resources)));
  }
  store::StoreClient& store = host_.watches.store();
  const std::string base = domain_path(ports.domain);
  KRAIT_CHECK(store.write(base + "/memory/target", std::to_string(std::uint64_t{resources.memory_mib} * 1024)));
  for (std::uint32_t cpu = 1; cpu < ports.cpus; ++cpu) {
    const char* wanted = cpu < resources.cpus ? "online" : "offline";
    KRAIT_CHECK(store.write(fmt::format("{}/cpu/{}/availability", base, cpu), wanted));
  }
  return {};
}

Result<void> Zone::update(const model::Resources& resources) {
  if (domain_ && record_.domain == domain_->id && !domain_->is_dying && !record_.end) {
    KRAIT_CHECK(apply(resources));
  }
  model::ZoneRecord record = record_;
  record.spec.resources = resources;
  KRAIT_CHECK(save(record));
  wake_();
  return {};
}

}  // namespace krata::daemon
