// What an agent without privileges over files needs and cannot make itself.
#pragma once

#include <string>

#include "common/result.h"

namespace krait::enforce {

// Mounts the BPF file system for the pins and gives it, with what is pinned there, to the user of that name. Needs
// root; not_found when there is no such user. Also makes what keys of pairs are computed by, where a host that has
// joined (`joined_file`) has not got it.
common::Result<void> prepare_for(const std::string& user, const std::string& joined_file);

}  // namespace krait::enforce
