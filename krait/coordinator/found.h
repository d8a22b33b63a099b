// Makes a network: its database, the coordinator's key and the first administrator's.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "krait/coordinator/server.h"

namespace krait::coordinator {

struct Founding {
  ServerOptions server;
  std::string admin_key_file;
  std::string admin_name;
  std::string name;
  std::vector<std::string> prefixes;
  std::vector<std::string> addresses;  // where hosts reach the coordinators
  bool approval = false;
};

struct Founded {
  std::string network;     // its number as text
  std::string server_key;  // the hash
};

// Nothing is left behind where it fails. The files in the folder belong to whoever owns it.
common::Result<Founded> found_network(const Founding& founding);

}  // namespace krait::coordinator
