#include "common/event/http.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/event/stream_server.h"

namespace common {

namespace {

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Bad Request";
  }
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

int status_of_line(std::string_view line, std::string_view page) {
  const auto first = line.find(' ');
  const auto second = line.rfind(' ');
  if (first == std::string_view::npos || first == second) {
    return 400;
  }
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);
  if (!is_token(method) || !is_token(target) || (version != "HTTP/1.1" && version != "HTTP/1.0")) {
    return 400;
  }
  if (target.substr(0, target.find('?')) != page) {
    return 404;
  }
  return method == "GET" ? 200 : 405;
}

}  // namespace

std::optional<int> http_status(std::string_view input, std::string_view page) {
  if (input.find("\r\n\r\n") == std::string_view::npos) {
    if (input.size() >= kMaxRequestBytes) {
      return 431;
    }
    return std::nullopt;
  }
  return status_of_line(input.substr(0, input.find("\r\n")), page);
}

std::string http_response(int status, std::string_view body) {
  const std::string text = status == 200 ? std::string(body) : fmt::format("{} {}\n", status, reason_phrase(status));
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n{}"
      "Connection: close\r\n\r\n{}",
      status, reason_phrase(status), text.size(), status == 405 ? "Allow: GET\r\n" : "", text);
}

}  // namespace common
