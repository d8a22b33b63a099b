#include "krata/image/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <tuple>
#include <utility>

#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr long kConnectTimeoutS = 30;
constexpr long kStallS = 60;
constexpr std::size_t kMaxHeaderBytes = std::size_t{64} << 10U;
constexpr std::size_t kErrorBodyBytes = std::size_t{4} << 10U;
constexpr std::size_t kMaxErrorBodyBytes = std::size_t{1} << 20U;

struct ListCloser {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListCloser>;

struct UrlCloser {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

// One request while it runs.
struct Exchange {
  CURL* curl = nullptr;
  const TakeBody* take = nullptr;
  HttpAnswer answer;
  std::size_t header_bytes = 0;
  std::size_t error_bytes = 0;
  std::optional<Error> failure;
};

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lowered;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  return begin == std::string_view::npos ? std::string_view()
                                         : text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view line(data, size * count);
  exchange.header_bytes += line.size();
  if (exchange.header_bytes > kMaxHeaderBytes) {
    exchange.failure = refused("the answer's headers are larger than {} bytes", kMaxHeaderBytes);
    return 0;
  }
  if (line.starts_with("HTTP/")) {
    exchange.answer.headers.clear();  // of an answer before, 100 for example
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    exchange.answer.headers[lower(line.substr(0, colon))] = trimmed(line.substr(colon + 1));
  }
  return line.size();
}

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view piece(data, size * count);
  curl_easy_getinfo(exchange.curl, CURLINFO_RESPONSE_CODE, &exchange.answer.status);
  if (exchange.answer.status / 100 != 2) {
    std::string& body = exchange.answer.error_body;
    body.append(piece.substr(0, kErrorBodyBytes - std::min(body.size(), kErrorBodyBytes)));
    exchange.error_bytes += piece.size();
    return exchange.error_bytes > kMaxErrorBodyBytes ? 0 : piece.size();
  }
  if (auto taken = (*exchange.take)(exchange.answer, piece); !taken) {
    exchange.failure = std::move(taken.error());
    return 0;
  }
  return piece.size();
}

Error failure(CURLcode code, const char* text) {
  const std::string why = text[0] != '\0' ? printable(text) : curl_easy_strerror(code);
  if (code == CURLE_PEER_FAILED_VERIFICATION) {
    return refused("{}; put the registry's authority into certs.d/HOST:PORT/ca.crt of /etc/docker or /etc/containers",
                   why);
  }
  return {ErrorCode::unavailable, why};
}

}  // namespace

struct HttpClient::Handle {
  CURL* curl = nullptr;
  std::array<char, CURL_ERROR_SIZE> error{};
  TlsTrust trust;
};

void HttpClient::Closer::operator()(Handle* handle) const {
  curl_easy_cleanup(handle->curl);
  delete handle;
}

Result<HttpClient> HttpClient::create(const TlsTrust& trust) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  std::unique_ptr<Handle, Closer> handle(new Handle());
  handle->curl = curl_easy_init();
  handle->trust = trust;
  if (handle->curl == nullptr) {
    return Error(ErrorCode::system, "start libcurl");
  }
  return HttpClient(std::move(handle));
}

namespace {

void set_up(CURL* curl, const TlsTrust& trust, char* error) {
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectTimeoutS);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kStallS);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "krata");
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L << 10U);
  if (!trust.authority_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, trust.authority_file.c_str());
  }
  if (!trust.authority_folder.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAPATH, trust.authority_folder.c_str());
  }
  if (!trust.authorities_pem.empty()) {
    curl_blob pem{.data = const_cast<char*>(trust.authorities_pem.data()),
                  .len = trust.authorities_pem.size(),
                  .flags = CURL_BLOB_COPY};
    curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &pem);
  }
}

}  // namespace

Result<HttpAnswer> HttpClient::perform(const HttpRequest& request, const TakeBody& take) {
  CURL* curl = handle_->curl;
  handle_->error[0] = '\0';
  set_up(curl, handle_->trust, handle_->error.data());
  List headers;
  for (const std::string& header : request.headers) {
    if (curl_slist* longer = curl_slist_append(headers.get(), header.c_str())) {
      std::ignore = headers.release();
      headers.reset(longer);
    }
  }
  Exchange exchange;
  exchange.curl = curl;
  exchange.take = &take;
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
  if (!request.form.empty()) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.form.size()));
    curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, request.form.c_str());
  }
  const CURLcode code = curl_easy_perform(curl);
  if (exchange.failure) {
    return std::move(*exchange.failure);
  }
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &exchange.answer.status);
  if (code != CURLE_OK && (exchange.answer.status / 100 == 2 || exchange.answer.status == 0)) {
    return failure(code, handle_->error.data());
  }
  const char* redirect = nullptr;
  curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &redirect);
  exchange.answer.redirect_url = redirect == nullptr ? "" : redirect;
  return std::move(exchange.answer);
}

std::optional<UrlParts> parse_url(const std::string& url) {
  const std::unique_ptr<CURLU, UrlCloser> parsed(curl_url());
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return std::nullopt;
  }
  const auto part = [&](CURLUPart which, unsigned flags) {
    char* text = nullptr;
    const bool good = curl_url_get(parsed.get(), which, &text, flags) == CURLUE_OK;
    std::string copy = good ? lower(text) : "";
    curl_free(text);
    return copy;
  };
  UrlParts parts{.scheme = part(CURLUPART_SCHEME, 0),
                 .host = part(CURLUPART_HOST, 0),
                 .port = part(CURLUPART_PORT, CURLU_DEFAULT_PORT)};
  if (parts.host.starts_with('[') && parts.host.ends_with(']')) {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  }
  const bool good = (parts.scheme == "http" || parts.scheme == "https") && !parts.host.empty();
  return good ? std::optional(std::move(parts)) : std::nullopt;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                          c == '.' || c == '_' || c == '~';
    out += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace krata::image
