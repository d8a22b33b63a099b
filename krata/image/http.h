// HTTP to registries, one request at a time, by libcurl: the only file that includes it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace krata::image {

// Whom to trust besides the system's authorities.
struct TlsTrust {
  std::string authority_file;    // in place of the system's (SSL_CERT_FILE); empty: the system's
  std::string authority_folder;  // in place of the system's (SSL_CERT_DIR); empty: the system's
  std::string authorities_pem;   // of one registry alone; empty: none
};

struct HttpRequest {
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string form;                  // sent by POST where it is not empty
};

struct HttpAnswer {
  long status = 0;
  std::map<std::string, std::string> headers;  // by lower-case names; of several the last
  std::string redirect_url;                    // absolute; empty: none
  std::string error_body;                      // the start of what came with another status than 2xx
};

// Gets the body of an answer of status 2xx, piece by piece; what it fails with ends the transfer.
using TakeBody = std::function<common::Result<void>(const HttpAnswer& head, std::string_view piece)>;

// Follows no redirect, keeps no cookie, reads no .netrc. Move-only, for one thread; connections are kept for the next
// request.
class HttpClient {
 public:
  static common::Result<HttpClient> create(const TlsTrust& trust);

  // Blocks until the answer ended. Errors: unavailable (nobody answers, a transfer that breaks off or stalls for a
  // minute; what came of it has been taken), invalid_input (no trust in the certificate, headers without end), and
  // take's.
  common::Result<HttpAnswer> perform(const HttpRequest& request, const TakeBody& take);

 private:
  struct Handle;
  struct Closer {
    void operator()(Handle* handle) const;
  };
  explicit HttpClient(std::unique_ptr<Handle, Closer> handle) : handle_(std::move(handle)) {}
  std::unique_ptr<Handle, Closer> handle_;
};

struct UrlParts {
  std::string scheme;  // lower case
  std::string host;    // without brackets
  std::string port;    // the scheme's own where none is said
  bool operator==(const UrlParts&) const = default;
};
// Nothing: no URL of http or https.
std::optional<UrlParts> parse_url(const std::string& url);

// Text in a query, or a form.
std::string escaped(std::string_view text);

}  // namespace krata::image
