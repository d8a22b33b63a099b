// One repository of a registry (distribution-spec): where requests go, and by whose right.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "krata/image/auth.h"
#include "krata/image/http.h"
#include "krata/image/reference.h"

namespace krata::image {

// What is around: read once, by the program.
struct RegistrySettings {
  bool plain_http = false;                       // also where the registry is not on loopback
  std::vector<std::string> credential_files;     // in order; those that are missing are passed over
  std::vector<std::string> certificate_folders;  // each may have HOST[:PORT]/*.crt
  TlsTrust trust;
};

// The settings that the environment gives: REGISTRY_AUTH_FILE, DOCKER_CONFIG, XDG_RUNTIME_DIR, XDG_CONFIG_HOME, HOME,
// SSL_CERT_FILE, SSL_CERT_DIR.
RegistrySettings settings_from_environment();

// What may not happen on the way of one request is decided here: a redirect gets no credentials unless it stays with
// the same scheme, host and port; HTTPS is never left for HTTP; plain HTTP is for loopback, or where the user said so;
// a token server is asked by HTTPS, by HTTP only where the registry itself is.
//
// Thread-safe; each thread brings its own client. Blocks on the network.
class Registry {
 public:
  // Reads credentials and certificates. Errors: invalid_input, unsupported, permission.
  static common::Result<std::unique_ptr<Registry>> open(const Reference& reference, const RegistrySettings& settings);

  [[nodiscard]] common::Result<HttpClient> client() const { return HttpClient::create(trust_); }
  [[nodiscard]] const Reference& reference() const { return reference_; }

  // GETs /v2/REPOSITORY/`path`, follows redirects, and proves who we are when asked. Any final status but 401 is the
  // caller's to judge. Errors: invalid_input (refused credentials, redirects without end or to where they may not go),
  // and HttpClient::perform's.
  common::Result<HttpAnswer> get(HttpClient& client, const std::string& path, const std::vector<std::string>& headers,
                                 const TakeBody& take);

 private:
  explicit Registry(Reference reference) : reference_(std::move(reference)) {}
  common::Result<HttpAnswer> follow(HttpClient& client, HttpRequest request, const TakeBody& take);
  common::Result<void> check_hop(const UrlParts& from, const UrlParts& to) const;
  common::Result<void> find_scheme(HttpClient& client);
  common::Result<void> authenticate(HttpClient& client, const HttpAnswer& refusal);
  common::Result<std::string> fetch_token(HttpClient& client, const Challenge& challenge);
  [[nodiscard]] std::string authorization() const;
  [[nodiscard]] std::string scheme() const;

  Reference reference_;
  bool plain_http_ = false;
  TlsTrust trust_;
  std::optional<Credentials> credentials_;
  mutable std::mutex mutex_;
  std::string scheme_;         // empty: not known yet; under the mutex
  std::string authorization_;  // the header's value; under the mutex
};

// What a registry says went wrong, for people: "404 manifest unknown".
std::string status_text(const HttpAnswer& answer);

}  // namespace krata::image
