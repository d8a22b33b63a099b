#include "krait/config/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "common/file.h"
#include "common/memory.h"
#include "krait/config/findings.h"

namespace krait::config {

namespace {

// Of a file that cannot be read.
common::Error whole_file(const std::string& path, const common::Error& error) {
  std::string hint;
  if (error.code() == common::ErrorCode::limit) {
    hint = "split the policy or use prefixes";
  } else if (error.code() == common::ErrorCode::not_found) {
    hint = "check the path";
  } else if (error.code() == common::ErrorCode::unavailable) {
    hint = "try again when it is complete";
  }
  return common::Error::from_diagnostics({{path, 0, 0, error.text(), hint}});
}

// `parse` makes a Result of the file's text.
template <typename Parse>
auto read_and_parse(const std::string& path, const Parse& parse) -> decltype(parse(std::string_view())) {
  const auto text = common::read_settled_file(path, kMaxFileBytes);
  if (!text) {
    return whole_file(path, text.error());
  }
  auto parsed = parse(*text);
  if (parsed) {
    parsed->digest = common::Digest::of(*text);
  }
  return parsed;
}

template <typename Parse>
auto load(const std::string& path, const Parse& parse) {
  return common::within_memory([&] { return read_and_parse(path, parse); });
}

class References {
 public:
  References(const model::Mesh& mesh, const model::Policy& policy) : policy_(policy), findings_(mesh.file) {
    names_.reserve(policy.identities.size());
    std::ranges::transform(policy.identities, std::back_inserter(names_), &model::Identity::name);
    std::ranges::sort(names_);
  }

  void check(const model::IdentityName& identity) {
    if (findings_.settled(identity.at) || std::ranges::binary_search(names_, identity.name)) {
      return;
    }
    std::string hint = did_you_mean(identity.name, names_);
    if (hint.empty()) {
      hint = fmt::format("add [[identity]] name = {} to {}", in_quotes(identity.name), policy_.file);
    }
    findings_.add(identity.at, fmt::format("unknown identity {}", in_quotes(identity.name)), std::move(hint));
  }

  void check(const std::vector<model::Route>& routes) {
    for (const model::Route& route : routes) {
      check(route.identity);
    }
  }

  common::Result<void> result() && {
    if (!findings_.empty()) {
      return std::move(findings_).take();
    }
    return {};
  }

 private:
  const model::Policy& policy_;
  std::vector<std::string_view> names_;
  Findings findings_;
};

}  // namespace

common::Result<model::Policy> load_policy(const std::string& path, std::uint32_t max_rules) {
  return load(path, [&](std::string_view text) { return parse_policy(text, path, max_rules); });
}

common::Result<model::Mesh> load_mesh(const std::string& path) {
  return load(path, [&](std::string_view text) { return parse_mesh(text, path); });
}

bool is_unchanged(const std::string& path, const common::Digest& digest) {
  const auto found = common::within_memory([&] { return common::settled_file_digest(path, kMaxFileBytes); });
  return found && *found == digest;
}

common::Result<void> check_references(const model::Mesh& mesh, const model::Policy& policy) {
  References references(mesh, policy);
  references.check(mesh.host.identity);
  references.check(mesh.host.routes);
  for (const model::Peer& peer : mesh.peers) {
    references.check(peer.identity);
    references.check(peer.routes);
  }
  return std::move(references).result();
}

}  // namespace krait::config
