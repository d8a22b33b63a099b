// krata-init, the first process of a zone: docs/krata_init.md.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <span>
#include <string>

#include "common/file.h"
#include "krata/bundle/bundle.h"
#include "krata/init/options.h"
#include "krata/init/root.h"
#include "krata/init/system.h"
#include "krata/init/zone.h"

namespace {

using common::Fd;
using common::Result;
using krata::bundle::Bundle;

// To the zone's console: for whoever looks there when the host was not told.
void say(const std::string& text) { (void)std::fputs(fmt::format("krata-init: {}\n", text).c_str(), stderr); }

Result<Bundle> read_bundle_of(const std::string& device) {
  KRAIT_TRY(const Fd disk, krata::init::open_device(device, O_RDONLY));
  std::string bytes(krata::bundle::kSectorBytes, '\0');
  KRAIT_TRY(const std::size_t first, common::read_into(disk.get(), bytes, device));
  bytes.resize(first);
  KRAIT_TRY(const std::size_t whole, krata::bundle::bundle_bytes(bytes));
  if (whole > first) {
    bytes.resize(whole);
    KRAIT_TRY(const std::size_t rest, common::read_into(disk.get(), std::span(bytes).subspan(first), device));
    bytes.resize(first + rest);
  }
  return krata::bundle::read_bundle(bytes);
}

Result<Fd> open_channel(const std::string& device) {
  KRAIT_TRY(Fd channel, krata::init::open_device(device, O_RDWR | O_NOCTTY | O_NONBLOCK));
  KRAIT_CHECK(krata::init::make_raw(channel.get()));
  return channel;
}

struct Container {
  Bundle bundle;
  krata::init::Disks disks;
};

// The machine as the container finds it.
Result<Container> set_up(const std::string& bundle_device) {
  KRAIT_TRY(auto bundle, read_bundle_of(bundle_device), "read the bundle");
  KRAIT_CHECK(krata::init::set_hostname(bundle.hostname));
  KRAIT_CHECK(krata::init::set_up_loopback());
  KRAIT_TRY(auto disks, krata::init::enter_root(bundle), "make the container's root");
  return Container{.bundle = std::move(bundle), .disks = std::move(disks)};
}

Result<void> serve(const krata::init::Options& options, krata::init::Machine& machine) {
  KRAIT_TRY(Fd channel, open_channel(options.channel), "open the channel");
  KRAIT_TRY(const auto zone, krata::init::Zone::create(std::move(channel), machine));
  const auto container = set_up(options.bundle);
  if (!container) {
    say(container.error().text());
    return zone->refuse(container.error());
  }
  KRAIT_CHECK(zone->run(container->bundle));
  krata::init::leave_disks(container->disks);
  return {};
}

// In a process of its own, which the zone reaps: the kernel ends the loading of a front end's driver only when it has
// seen all of its devices connected, and looks ten times a second (wait_for_devices in
// drivers/xen/xenbus/xenbus_probe_frontend.c). Whatever needs a device waits for it by itself.
Result<void> begin_to_load_drivers() {
  const pid_t loader = ::fork();
  if (loader < 0) {
    return common::Error::from_errno(errno, "start to load drivers");
  }
  if (loader == 0) {
    const auto loaded = krata::init::load_drivers();
    if (!loaded) {
      say(loaded.error().text());
    }
    ::_exit(loaded ? 0 : 1);
  }
  return {};
}

Result<void> run(std::span<const char* const> words, krata::init::Machine& machine) {
  KRAIT_CHECK(krata::init::mount_first());
  KRAIT_CHECK(krata::init::fill_standard_descriptors());
  krata::init::keep_alive();
  KRAIT_CHECK(krata::init::allow_many_files());
  KRAIT_TRY(const auto options, krata::init::parse_options(words));
  KRAIT_CHECK(begin_to_load_drivers());
  return serve(options, machine);
}

}  // namespace

int main(int argc, char** argv) {
  if (::getpid() != 1) {
    say("this is the first process of a zone, and is of no use on a host");
    return 1;
  }
  const auto machine = krata::init::real_machine();
  const auto done = run(std::span<const char* const>(argv, static_cast<std::size_t>(argc)).subspan(1), *machine);
  if (!done) {
    say(done.error().text());
  }
  machine->power_off();
  return 1;
}
