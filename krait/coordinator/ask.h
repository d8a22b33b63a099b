// Asks a coordinator: over its administrators' socket on its own machine, or over the network by a profile.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "krait/wire/key_pair.h"

namespace krait::coordinator {

// Where a coordinator is, as the command line says it; each may be empty.
struct Reach {
  std::string socket{};       // of administrators, on the coordinator's machine
  std::string coordinator{};  // the address of one, in place of the profile's
  std::string profile{};      // the file; ~/.config/krait/coordinator.json
  std::string key{};          // the administrator's key, as load_admin_key() takes it
};

// What an administrator's machine knows of a network: what `admin connect` has written. No secret.
struct Profile {
  std::string network;                 // its name, for people
  std::vector<std::string> addresses;  // of coordinators
  wire::KeyHash server_key{};
  bool operator==(const Profile&) const = default;
};
std::string profile_text(const Profile& profile);
common::Result<Profile> parse_profile(std::string_view text, const std::string& file);
common::Result<std::string> profile_file(const std::string& given);

// Sends one request and waits for the answer: over the socket where one is named or no profile is there, else over the
// network, with the administrator's key. Fails with unavailable when nobody serves there, and with the coordinator's
// own error.
common::Result<common::Json> ask(const Reach& reach, const common::Json& request);
// The same by a profile that is not written yet.
common::Result<common::Json> ask(const Profile& profile, const std::string& key_file, const common::Json& request);

// What the other coordinators say where several serve a network, by the network and with the administrator's key.
struct Others {
  std::vector<common::Json> answers;
  common::Json silent = common::Json::array();  // {"coordinator": ADDRESS, "why": ..} of each that does not answer
};
// `answer`: what the coordinator of `reach` has said; it names all of them, where there are several.
Others ask_others(const Reach& reach, const common::Json& answer, const common::Json& request);
// All hosts, or the one of that name, each as the coordinator knows it with which it is connected.
common::Result<common::Json> all_hosts(const Reach& reach, const std::string& name = "");
// Beside how many hosts, a line for each that is silent.
std::string silent_text(const common::Json& silent);

}  // namespace krait::coordinator
