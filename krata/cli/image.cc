#include <unistd.h>

#include <cstdlib>
#include <string>

#include "krata/cli/command.h"
#include "krata/cli/image_flags.h"

namespace krata::cli {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

void add_platform_flag(Command command, ImageFlags& flags) {
  command.option("--platform", flags.platform, "OS/ARCHITECTURE[/VARIANT] where an image has several; this machine's");
}

void add_registry_flags(Command command, ImageFlags& flags) {
  command.option("--registry", flags.registry, "The registry of names without one", {.env = "KRATA_REGISTRY"});
  command.flag("--plain-http", flags.plain_http, "Speak HTTP without TLS to a registry that is not on loopback");
}

void add_store_flag(Command command, ImageFlags& flags) {
  command.option("--store", flags.store, "The folder of images", {.env = "KRATA_STORE"});
}

Result<image::Platform> platform_of(const ImageFlags& flags) {
  return flags.platform.empty() ? Result<image::Platform>(image::Platform::host())
                                : image::Platform::parse(flags.platform);
}

image::RegistrySettings settings_of(const ImageFlags& flags) {
  image::RegistrySettings settings = image::settings_from_environment();
  settings.plain_http = flags.plain_http;
  return settings;
}

Result<std::string> store_folder(const ImageFlags& flags) {
  if (!flags.store.empty()) {
    return flags.store;
  }
  if (::geteuid() == 0) {
    return std::string("/var/lib/krata/images");
  }
  if (const std::string data = variable("XDG_DATA_HOME"); !data.empty()) {
    return data + "/krata/images";
  }
  if (const std::string home = variable("HOME"); !home.empty()) {
    return home + "/.local/share/krata/images";
  }
  return Error(ErrorCode::invalid_input, "there is no home folder for the store of images; name one with --store");
}

Result<std::unique_ptr<image::Store>> open_store(const ImageFlags& flags) {
  KRAIT_TRY(const auto folder, store_folder(flags));
  return image::Store::open(folder);
}

void add_image(Shell& shell) {
  const Command group = shell.group("image", "Images: fetch, keep, pack");
  add_image_pack(shell, group);
  add_image_store(shell, group);
}

}  // namespace krata::cli
