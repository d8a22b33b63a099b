// krata-lab-zone: one zone without a daemon, for the scenarios in tests/xen.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "lab/zone/exercise.h"
#include "lab/zone/zone.h"

namespace {

int report(const common::Result<void>& done) {
  if (!done) {
    std::fprintf(stderr, "krata-lab-zone: %s\n", done.error().text().c_str());
  }
  return done ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Runs one zone, for tests", "krata-lab-zone");
  app.require_subcommand(1);
  lab::ZoneOptions options;
  CLI::App* run = app.add_subcommand("run", "Builds a zone and prints its console until it has powered off");
  run->add_option("--kernel", options.kernel)->required();
  run->add_option("--initramfs", options.initramfs);
  run->add_option("--append", options.command_line, "The kernel's command line");
  run->add_option("--name", options.name);
  run->add_option("--store", options.store, "The socket of krata-store");
  run->add_option("--memory", options.memory_mib, "In MiB");
  run->add_option("--cpus", options.vcpus);
  app.add_subcommand("facts", "Domains, free memory, ports of domain 0");
  CLI::App* limits = app.add_subcommand("limits", "What the hypervisor lets a domain have");
  CLI::App* store = app.add_subcommand("store", "read PATH, or write PATH VALUE");
  std::vector<std::string> request;
  store->add_option("SOCKET", options.store)->required();
  store->add_option("REQUEST", request)->required();
  CLI::App* exercise = app.add_subcommand("exercise", "Uses the store until it is told to stop: see exercise.h");
  std::string device;
  exercise->add_option("DEVICE", device)->required();
  unsigned domain = 0;
  CLI::App* destroy = app.add_subcommand("destroy", "Destroys a domain");
  destroy->add_option("DOMAIN", domain)->required();
  limits->add_option("DOMAIN", domain)->required();
  CLI11_PARSE(app, argc, argv);
  if (run->parsed()) {
    return report(lab::run_zone(options));
  }
  if (store->parsed()) {
    return report(lab::ask_store(options.store, request));
  }
  if (exercise->parsed()) {
    return report(lab::exercise(device));
  }
  if (limits->parsed()) {
    return report(lab::print_limits(static_cast<krata::xen::DomainId>(domain)));
  }
  if (destroy->parsed()) {
    return report(lab::destroy_domain(static_cast<krata::xen::DomainId>(domain)));
  }
  return report(lab::print_facts());
}
