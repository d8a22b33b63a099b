// The little of HTTP/1.1 (RFC 9112) that a metrics scraper needs: GET of a page, one request a connection.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace common {

// The status to answer the request at the front of `input` with: 200 for GET of `page` (a query is ignored), else 400,
// 404, 405 or 431 (longer than kMaxRequestBytes). Nothing: more input is needed. Pure.
std::optional<int> http_status(std::string_view input, std::string_view page = "/metrics");

// A whole response that ends the connection. `body` is sent for 200; other statuses send their own words.
std::string http_response(int status, std::string_view body);

}  // namespace common
