// A host that has joined a network: its plan comes from a state that administrators signed, in place of files that
// somebody writes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/result.h"
#include "krait/model/public_key.h"
#include "krait/plan/plan.h"
#include "krait/trust/state.h"

namespace krait::plan {

inline constexpr const char* kJoinedFile = "/var/lib/krait/joined/host.json";

// What `krait join` has written of this host: {"version":1,"name":..,"interface":..,"listen_port":..,
// "private_key_file":..,"offered_file":..}.
struct JoinedHost {
  std::string file;  // that it was read from
  std::string name;
  std::string interface;
  std::uint16_t listen_port = 51820;
  std::string private_key_file;
  std::string offered_file;  // where krait-link lays the state that it wants taken

  // Beside the file: what the agent goes by, and nobody else writes.
  [[nodiscard]] std::string kept_file() const;
  [[nodiscard]] std::string confirmed_file() const;
  // What it computes keys of pairs by, see make_pair_key().
  [[nodiscard]] std::string pair_key_file() const;
  // The link's, beside what it offers: the host's signing key.
  [[nodiscard]] std::string host_key_file() const;
};

// Pure. Strict: a member that is missing, of another kind or unknown is invalid_input.
common::Result<JoinedHost> parse_joined_host(std::string_view text, const std::string& file);
std::string joined_host_text(const JoinedHost& host);
// Blocks on the file system. not_found: this host has not joined.
common::Result<JoinedHost> load_joined_host(const std::string& file);

// Makes pair_key_file() from the host's signing key, which is the link's; the file belongs to whoever owns its folder.
// As root. Blocks on the file system.
common::Result<void> make_pair_key(const JoinedHost& host);
// The same where the host has joined and the file is missing: hosts that joined with a krait which made none. Nothing
// else is changed, and what keeps it from being made is told by whoever needs the file.
void make_missing_pair_key(const std::string& joined_file);

// The last good state with what the host believes from it on, in the bytes of a file (krait/trust/kept.h). The first
// time `anchor` is what the token says.
std::string kept_text(const trust::Anchor& anchor, const trust::State& state);
// Durable when it returns: the former or the new one is there, never a part.
common::Result<void> save_kept(const JoinedHost& host, std::string_view kept);

// A state of this host that was verified, with what it makes of the two files.
struct SignedFiles {
  Files files;
  trust::Anchor anchor;  // to go on from
  trust::Settings settings;
  std::optional<model::PublicKey> announced_key{};  // this host's next one, as its peers are told of it
  std::int64_t confirmed_s = 0;  // when the coordinator was last heard to confirm it, in Unix time; 0: never
};

// When the coordinator confirmed what is kept: read at every start, so that a lease outlives a reboot. Durable.
common::Result<void> save_confirmed(const JoinedHost& host, std::int64_t unix_s);
std::int64_t load_confirmed(const JoinedHost& host);  // 0: never, or it cannot be read

// Lets every rule that opens something, and does not outlast the lease, end with it. Does nothing without a lease.
void set_lease(model::Policy& policy, const trust::Settings& settings, std::int64_t confirmed_s);

// What is kept, verified again. Fails with not_found when nothing is kept.
common::Result<SignedFiles> load_signed_files(const JoinedHost& host);
// What is kept, compiled as the agent does it, by the latest time that this process can know of.
common::Result<Plan> make_joined_plan(const std::string& joined_file);
// What krait-link offers, against what is kept. `key`: this host's WireGuard key. `may_go_back`: see trust::Asker.
// Nothing is kept yet.
struct Offered {
  SignedFiles signed_files;  // its policy's digest is that of `kept`
  std::string kept;
};
common::Result<Offered> load_offered(const JoinedHost& host, const model::PublicKey& key, bool may_go_back);

// The two files that say the same. Besides the rules there is one that denies whatever is between two other hosts,
// since a host is told only of the rules that concern itself. Pure.
common::Result<Files> files_of(const trust::Verified& verified, const JoinedHost& host);

}  // namespace krait::plan
