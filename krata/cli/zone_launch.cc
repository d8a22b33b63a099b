#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "krata/cli/image_flags.h"
#include "krata/cli/zone.h"
#include "krata/image/reference.h"
#include "krata/model/zone_json.h"

namespace krata::cli {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct LaunchFlags : ZoneFlags {
  ImageFlags image;
  std::string image_name;
  std::vector<std::string> command;
  std::string name;
  std::string cpus = "1";
  std::string memory = "256M";
  std::vector<std::string> env;
  std::string workdir;
  std::string user;
  std::string hostname;
  std::string kernel;
  std::vector<std::string> disks;
  std::string restart = "never";
  bool tty = false;
  bool attach = false;
  bool wait = false;
};

// The last part of the image's name and four digits: "alpine-3f2a".
std::string name_for(const std::string& image) {
  std::string name = image.substr(image.rfind('/') + 1);
  name = name.substr(0, name.find_first_of(":@"));
  std::ranges::replace_if(name, [](char character) { return character == '.' || character == '_'; }, '-');
  if (!model::is_name(name.substr(0, 40))) {
    name = "zone";
  }
  std::uint16_t random = 0;
  if (::getrandom(&random, sizeof(random), 0) != sizeof(random)) {
    random = 0;
  }
  return fmt::format("{}-{:04x}", name.substr(0, 40), random);
}

Result<std::uint32_t> parse_cpus(const std::string& text) {
  const bool is_number = !text.empty() && text.size() <= 4 &&
                         std::ranges::all_of(text, [](char character) { return character >= '0' && character <= '9'; });
  if (!is_number) {
    return Error(ErrorCode::invalid_input, fmt::format("{} is no number of CPUs", text.substr(0, 64)));
  }
  return static_cast<std::uint32_t>(std::stoul(text));
}

Result<model::ZoneSpec> spec_of(const LaunchFlags& flags) {
  model::ZoneSpec spec;
  KRAIT_TRY(spec.image, full_name(flags.image_name, flags.image));
  spec.name = flags.name.empty() ? name_for(spec.image) : flags.name;
  spec.command = flags.command;
  spec.env = flags.env;
  spec.workdir = flags.workdir;
  spec.user = flags.user;
  spec.hostname = flags.hostname;
  spec.kernel = flags.kernel;
  spec.tty = flags.tty;
  spec.input = flags.attach;
  spec.restart = flags.restart == "never" ? model::Restart::never : model::Restart::on_failure;
  KRAIT_TRY(spec.resources.cpus, parse_cpus(flags.cpus));
  KRAIT_TRY(spec.resources.memory_mib, model::parse_memory(flags.memory));
  for (const std::string& text : flags.disks) {
    KRAIT_TRY(auto disk, model::parse_disk(text));
    std::error_code failed;
    disk.file = std::filesystem::absolute(disk.file, failed).lexically_normal().string();
    spec.disks.push_back(std::move(disk));
  }
  KRAIT_CHECK(model::check(spec));
  return spec;
}

Result<void> launch(const LaunchFlags& flags, Output& output) {
  KRAIT_TRY(auto spec, spec_of(flags));
  const std::string name = spec.name;
  KRAIT_TRY(const auto answer, control::ask(flags.socket, {.ask = control::Ask::launch, .spec = std::move(spec)}));
  if (flags.attach) {
    return attach_to(flags.socket, name, flags.tty, output);
  }
  if (flags.wait) {
    return wait_for(flags.socket, name, output);
  }
  output.report(name, answer);
  return {};
}

}  // namespace

void add_zone_launch(Shell& shell, Command group) {
  auto flags = std::make_shared<LaunchFlags>();
  Command command = shell.command(
      group, "launch", "Run an image's container in a new zone",
      "Options come before IMAGE; all behind it is the container's command. An image that is not in the store is\n"
      "pulled. Returns at once, with the zone's name; what does not come up says so in krata zone list.\n"
      "Example:  krata zone launch --name web --memory 512M registry.example/web:2\n"
      "Example:  krata zone launch --attach --tty registry.example/alpine:3 sh");
  command.option("IMAGE", flags->image_name, "As krata image list says it, or HOST/NAME[:TAG][@DIGEST]",
                 {.required = true});
  command.rest("COMMAND", flags->command, "Instead of the image's own command");
  command.option("--name", flags->name, "The zone's name; otherwise the image's with four digits");
  command.option("--cpus", flags->cpus, "How many CPUs");
  command.option("--memory", flags->memory, "How much memory: 256M, 2G");
  command.repeated("--env", flags->env, "A variable of the container's environment, NAME=VALUE");
  command.option("--workdir", flags->workdir, "Where the command is run; otherwise where the image says");
  command.option("--user", flags->user, "Who runs it, USER[:GROUP]; otherwise whom the image says");
  command.option("--hostname", flags->hostname, "The zone's host name; otherwise its name");
  command.option("--kernel", flags->kernel, "One of krata kernel list; otherwise the newest");
  command.repeated(
      "--disk", flags->disks,
      "A file or block device as a file system in the zone, FILE:/path[:ro]; at / it keeps what the container writes");
  command.option("--restart", flags->restart, "Whether to start a container that fails anew",
                 {.one_of = {"never", "on-failure"}});
  command.flag("--tty", flags->tty, "Give the container a terminal");
  command.flag("--attach", flags->attach, "Pass input and output on until it ends, and exit with its code");
  command.flag("--wait", flags->wait, "Wait until it ends, and exit with its code");
  command.option("--registry", flags->image.registry, "The registry of names without one", {.env = "KRATA_REGISTRY"});
  add_socket_flag(command, *flags);
  shell.on(command, [flags](Output& output) { return launch(*flags, output); });
}

}  // namespace krata::cli
