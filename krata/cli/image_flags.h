// What several commands of `krata image` take.
#pragma once

#include <memory>
#include <string>

#include "common/result.h"
#include "krata/cli/command.h"
#include "krata/image/platform.h"
#include "krata/image/registry.h"
#include "krata/image/store.h"

namespace krata::cli {

struct ImageFlags {
  std::string platform;  // empty: this machine's
  std::string registry;  // of names without one
  std::string store;     // empty: see store_folder()
  bool plain_http = false;
};

void add_platform_flag(Command command, ImageFlags& flags);
void add_registry_flags(Command command, ImageFlags& flags);
void add_store_flag(Command command, ImageFlags& flags);

common::Result<image::Platform> platform_of(const ImageFlags& flags);
image::RegistrySettings settings_of(const ImageFlags& flags);

// Root's is /var/lib/krata/images, others have XDG_DATA_HOME/krata/images or HOME/.local/share/krata/images. Fails with
// invalid_input where a user has no home.
common::Result<std::string> store_folder(const ImageFlags& flags);
common::Result<std::unique_ptr<image::Store>> open_store(const ImageFlags& flags);
// How the store calls an image that a user calls `name`: a reference in full.
common::Result<std::string> full_name(const std::string& name, const ImageFlags& flags);

void add_image_pack(Shell& shell, Command group);
void add_image_store(Shell& shell, Command group);  // pull, import, list, show, remove, prune

}  // namespace krata::cli
