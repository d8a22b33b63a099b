// What a registry is opened with: credentials, certificates, the environment.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "common/file.h"
#include "krata/image/limits.h"
#include "krata/image/registry.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Result;

namespace {

constexpr std::size_t kMaxCertificateBytes = std::size_t{1} << 20U;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<std::optional<Credentials>> read_credentials(const Reference& reference, const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    const auto text = common::read_file(file, limits::kDocumentBytes);
    if (!text) {
      // What cannot be read is as good as not there: others' home folders, for example.
      continue;
    }
    KRAIT_TRY(auto found, find_credentials(*text, reference), file);
    if (found) {
      return found;
    }
  }
  return std::optional<Credentials>();
}

// The authorities of HOST[:PORT]/*.crt, one after the other.
std::string read_authorities(const std::string& host, const std::vector<std::string>& folders) {
  std::string pem;
  for (const std::string& folder : folders) {
    std::error_code error;
    std::vector<std::string> files;
    for (std::filesystem::directory_iterator at(std::filesystem::path(folder) / host, error), end; !error && at != end;
         at.increment(error)) {
      if (at->path().extension() == ".crt") {
        files.push_back(at->path());
      }
    }
    std::ranges::sort(files);
    for (const std::string& file : files) {
      if (const auto text = common::read_file(file, kMaxCertificateBytes)) {
        pem += *text + "\n";
      }
    }
  }
  return pem;
}

}  // namespace

RegistrySettings settings_from_environment() {
  RegistrySettings settings;
  const std::string home = variable("HOME");
  const auto add = [&](const std::string& folder, const char* file) {
    if (!folder.empty()) {
      settings.credential_files.push_back(folder + file);
    }
  };
  add(variable("REGISTRY_AUTH_FILE"), "");
  add(variable("DOCKER_CONFIG"), "/config.json");
  add(variable("XDG_RUNTIME_DIR"), "/containers/auth.json");
  add(variable("XDG_CONFIG_HOME"), "/containers/auth.json");
  add(home, "/.config/containers/auth.json");
  add(home, "/.docker/config.json");
  if (!home.empty()) {
    settings.certificate_folders.push_back(home + "/.config/containers/certs.d");
  }
  settings.certificate_folders.insert(settings.certificate_folders.end(),
                                      {"/etc/containers/certs.d", "/etc/docker/certs.d"});
  settings.trust.authority_file = variable("SSL_CERT_FILE");
  settings.trust.authority_folder = variable("SSL_CERT_DIR");
  return settings;
}

Result<std::unique_ptr<Registry>> Registry::open(const Reference& reference, const RegistrySettings& settings) {
  KRAIT_TRY(auto credentials, read_credentials(reference, settings.credential_files));
  auto registry = std::unique_ptr<Registry>(new Registry(reference));
  registry->plain_http_ = settings.plain_http;
  registry->trust_ = settings.trust;
  registry->trust_.authorities_pem += read_authorities(reference.host, settings.certificate_folders);
  registry->credentials_ = std::move(credentials);
  return registry;
}

}  // namespace krata::image
