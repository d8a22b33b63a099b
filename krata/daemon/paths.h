// Where kratad keeps its things, and where what it starts lies. Pure.
#pragma once

#include <string>
#include <string_view>

#include "krata/model/zone_id.h"

namespace krata::daemon {

struct Paths {
  std::string state_folder = "/var/lib/krata";
  std::string programs_folder;  // of krata-image, krata-block and krata-init
  std::string disk_user;        // whose krata-block becomes

  [[nodiscard]] std::string state_file() const { return state_folder + "/state.db"; }
  [[nodiscard]] std::string images() const { return state_folder + "/images"; }
  [[nodiscard]] std::string image_names() const { return images() + "/names"; }
  [[nodiscard]] std::string kernels() const { return state_folder + "/kernels"; }
  [[nodiscard]] std::string roots() const { return state_folder + "/roots"; }
  // An image's file system and its configuration, by the digest of the manifest. What squashfs cannot hold is EROFS
  // under the same name: a zone looks at its first bytes.
  [[nodiscard]] std::string root(std::string_view digest) const {
    return roots() + "/" + std::string(digest) + ".squashfs";
  }
  [[nodiscard]] std::string config(std::string_view digest) const {
    return roots() + "/" + std::string(digest) + ".json";
  }
  [[nodiscard]] std::string zones() const { return state_folder + "/zones"; }
  [[nodiscard]] std::string zone(const model::ZoneId& id) const { return zones() + "/" + id.text(); }
  [[nodiscard]] std::string program(std::string_view name) const { return programs_folder + "/" + std::string(name); }
};

}  // namespace krata::daemon
