// Where a plan comes from: the two files, or what administrators have signed.
#pragma once

#include <optional>
#include <string>

#include "common/result.h"
#include "krait/control/state.h"
#include "krait/enforce/enforcer.h"
#include "krait/model/public_key.h"
#include "krait/plan/joined.h"
#include "krait/plan/plan.h"

namespace krait::enforce {

struct Source {
  plan::Files files;
  std::optional<control::NetworkState> network;  // none: they were files
};

// Blocks on the file system. Of a host that has joined, what it keeps.
common::Result<Source> load_source(const EnforcerOptions& options);
// The file that stands for it: krait.toml, or that of the host that has joined.
const std::string& source_file(const EnforcerOptions& options);
// The interface that it names; nothing else of it is looked at, nor verified.
common::Result<std::string> interface_named(const EnforcerOptions& options);

common::Result<model::PublicKey> own_key(const plan::JoinedHost& host);
control::NetworkState network_state(const plan::SignedFiles& files);

}  // namespace krait::enforce
