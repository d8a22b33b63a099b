// Who may pull: what registries ask (RFC 7235, RFC 7617, and the token protocol of distribution), and what the usual
// files answer. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "krata/image/reference.h"

namespace krata::image {

// What a WWW-Authenticate header asks for.
struct Challenge {
  bool bearer = false;  // else basic
  std::string realm;    // of bearer: the URL that gives tokens
  std::string service;
  std::string scope;
};
// Nothing: neither Bearer with a realm nor Basic.
std::optional<Challenge> parse_challenge(std::string_view header);

struct Credentials {
  std::string user;
  std::string password;
  std::string identity_token;  // a refresh token in place of a password
};

// What a config.json (docker login) or auth.json (podman login) has for the reference: the entry of the longest part of
// HOST/REPOSITORY, as containers-auth.json(5) says; Docker's keys may be URLs. Nothing: none. Errors: invalid_input
// (the file is broken), unsupported (only a credential helper has them); no message holds a secret.
common::Result<std::optional<Credentials>> find_credentials(std::string_view text, const Reference& reference);

// "Basic ...".
std::string basic_authorization(const Credentials& credentials);

// The token in a token server's answer. Errors: invalid_input.
common::Result<std::string> parse_token(std::string_view text);

}  // namespace krata::image
