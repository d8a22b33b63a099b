#include "krata/image/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "krata/image/json.h"
#include "krata/image/limits.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr int kMaxRedirects = 5;
constexpr long kBadRequest = 400;
constexpr long kUnauthorized = 401;

bool is_redirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Result<void> ignore_body(const HttpAnswer& /*head*/, std::string_view /*piece*/) { return {}; }

}  // namespace

std::string status_text(const HttpAnswer& answer) {
  const Json json = parse_json(answer.error_body);
  const Json& errors = member(json, "errors");
  std::string text = fmt::format("{}", answer.status);
  if (errors.is_array() && !errors.empty()) {
    const auto message = text_in(errors.front(), "message");
    const auto code = text_in(errors.front(), "code");
    if (message || code) {
      text += " (" + printable(message.value_or(code.value_or(""))) + ")";
    }
  }
  return text;
}

std::string Registry::authorization() const {
  const std::lock_guard lock(mutex_);
  return authorization_;
}

std::string Registry::scheme() const {
  const std::lock_guard lock(mutex_);
  return scheme_;
}

// A registry on loopback may speak either. HTTP is asked first: servers of TLS refuse it at once, while one of HTTP may
// wait for the end of a line that no handshake has.
Result<void> Registry::find_scheme(HttpClient& client) {
  if (!scheme().empty()) {
    return {};
  }
  std::string found = plain_http_ ? "http" : "https";
  if (!plain_http_ && reference_.is_loopback()) {
    const auto ask = [&](const char* scheme) {
      return client.perform({.url = fmt::format("{}://{}/v2/", scheme, reference_.host), .headers = {}, .form = {}},
                            ignore_body);
    };
    const auto plain = ask("http");
    const auto secure = plain && plain->status != kBadRequest ? plain : ask("https");
    if (!secure && (!plain || secure.error().code() == ErrorCode::invalid_input)) {
      return secure.error().code() == ErrorCode::invalid_input ? secure.error() : plain.error();
    }
    found = plain && (plain->status != kBadRequest || !secure) ? "http" : "https";
  }
  const std::lock_guard lock(mutex_);
  scheme_ = std::move(found);
  return {};
}

Result<void> Registry::check_hop(const UrlParts& from, const UrlParts& to) const {
  if (from.scheme == "https" && to.scheme == "http") {
    return refused("the registry leads from HTTPS to plain HTTP on {}", printable(to.host));
  }
  if (to.scheme == "http" && !plain_http_ && !is_loopback_host(to.host)) {
    return refused("the registry leads to plain HTTP on {}, which is only spoken on loopback", printable(to.host));
  }
  return {};
}

Result<HttpAnswer> Registry::follow(HttpClient& client, HttpRequest request, const TakeBody& take) {
  const auto origin = parse_url(request.url);
  auto here = origin;
  for (int hops = 0; here; ++hops) {
    HttpRequest sent = request;
    const std::string right = authorization();
    if (*here == *origin && !right.empty()) {
      sent.headers.push_back("Authorization: " + right);
    }
    auto answer = client.perform(sent, take);
    if (!answer || !is_redirect(answer->status)) {
      return answer;
    }
    if (hops == kMaxRedirects) {
      return refused("the registry leads through more than {} redirects", kMaxRedirects);
    }
    const auto next = parse_url(answer->redirect_url);
    if (!next) {
      return refused("the registry leads to \"{}\", which is no URL of HTTP", printable(answer->redirect_url));
    }
    KRAIT_CHECK(check_hop(*here, *next));
    request.url = answer->redirect_url;
    here = next;
  }
  return refused("\"{}\" is no URL", printable(request.url));
}

Result<HttpAnswer> Registry::get(HttpClient& client, const std::string& path, const std::vector<std::string>& headers,
                                 const TakeBody& take) {
  KRAIT_CHECK(find_scheme(client), reference_.host);
  const std::string url = fmt::format("{}://{}/v2/{}/{}", scheme(), reference_.host, reference_.repository, path);
  auto answer = follow(client, {.url = url, .headers = headers, .form = {}}, take);
  if (answer && answer->status == kUnauthorized) {
    KRAIT_CHECK(authenticate(client, *answer), reference_.host);
    answer = follow(client, {.url = url, .headers = headers, .form = {}}, take);
    if (answer && answer->status == kUnauthorized) {
      return refused("{}: the registry does not let {} pull {}; log in with other credentials", reference_.host,
                     credentials_ ? "this user" : "anybody", reference_.repository);
    }
  }
  return answer ? std::move(answer) : passed_on(answer, reference_.host);
}

Result<void> Registry::authenticate(HttpClient& client, const HttpAnswer& refusal) {
  const auto header = refusal.headers.find("www-authenticate");
  const auto challenge = header == refusal.headers.end() ? std::nullopt : parse_challenge(header->second);
  if (!challenge) {
    return refused("the registry asks for a proof of who we are in a way that is not known; Basic and Bearer are");
  }
  std::string value;
  if (challenge->bearer) {
    KRAIT_TRY(const auto token, fetch_token(client, *challenge));
    value = "Bearer " + token;
  } else if (credentials_ && !credentials_->user.empty()) {
    value = basic_authorization(*credentials_);
  } else {
    return refused(
        "the registry asks for a user and a password; put them into the file of credentials (docker login, "
        "podman login)");
  }
  const std::lock_guard lock(mutex_);
  authorization_ = std::move(value);
  return {};
}

Result<std::string> Registry::fetch_token(HttpClient& client, const Challenge& challenge) {
  const auto realm = parse_url(challenge.realm);
  if (!realm) {
    return refused("the registry names \"{}\" for tokens, which is no URL of HTTP", printable(challenge.realm));
  }
  // The user's password goes there: never in the clear unless it would to the registry itself.
  const bool in_the_clear = realm->scheme == "http";
  if (in_the_clear && (scheme() != "http" || (!plain_http_ && !is_loopback_host(realm->host)))) {
    return refused("the registry names a token server on plain HTTP: {}", printable(realm->host));
  }
  const std::string scope =
      challenge.scope.empty() ? fmt::format("repository:{}:pull", reference_.repository) : challenge.scope;
  HttpRequest request{.url = challenge.realm, .headers = {}, .form = {}};
  const std::string query = fmt::format("service={}&scope={}", escaped(challenge.service), escaped(scope));
  if (credentials_ && !credentials_->identity_token.empty()) {
    request.form = fmt::format("grant_type=refresh_token&client_id=krata&refresh_token={}&{}",
                               escaped(credentials_->identity_token), query);
  } else {
    request.url += (challenge.realm.contains('?') ? "&" : "?") + query;
    if (credentials_) {
      request.headers.push_back("Authorization: " + basic_authorization(*credentials_));
    }
  }
  std::string text;
  const auto answer = client.perform(request, [&text](const HttpAnswer&, std::string_view piece) -> Result<void> {
    text += piece;
    return text.size() > limits::kDocumentBytes ? refused("the token server's answer has no end") : Result<void>();
  });
  if (!answer) {
    return answer.error();
  }
  if (answer->status == kUnauthorized || answer->status == 403) {
    return refused("the token server refuses {}",
                   credentials_ ? "the user or the password" : "to serve anybody; log in first");
  }
  return answer->status == 200
             ? parse_token(text)
             : Result<std::string>(
                   Error(ErrorCode::unavailable, fmt::format("the token server answers {}", status_text(*answer))));
}

}  // namespace krata::image
