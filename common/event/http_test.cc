#include "common/event/http.h"

#include <gtest/gtest.h>

#include <string>

#include "common/event/stream_server.h"

namespace common {
namespace {

TEST(HttpStatus, AnswersTheMetricsPage) {
  EXPECT_EQ(http_status("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
  EXPECT_EQ(http_status("GET /metrics?name=x HTTP/1.0\r\n\r\n"), 200);
}

TEST(HttpStatus, AnswersThePageThatIsAskedFor) {
  EXPECT_EQ(http_status("GET /health HTTP/1.1\r\n\r\n", "/health"), 200);
  EXPECT_EQ(http_status("GET /health HTTP/1.1\r\n\r\n"), 404);
  EXPECT_EQ(http_status("GET /metrics HTTP/1.1\r\n\r\n", "/health"), 404);
}

TEST(HttpStatus, WaitsForTheEndOfTheHeaders) {
  EXPECT_EQ(http_status(""), std::nullopt);
  EXPECT_EQ(http_status("GET /metrics HTTP/1.1\r\nHost: x\r\n"), std::nullopt);
}

TEST(HttpStatus, RefusesOtherPagesMethodsAndLanguages) {
  EXPECT_EQ(http_status("GET / HTTP/1.1\r\n\r\n"), 404);
  EXPECT_EQ(http_status("GET /metrics/x HTTP/1.1\r\n\r\n"), 404);
  EXPECT_EQ(http_status("POST /metrics HTTP/1.1\r\n\r\n"), 405);
  EXPECT_EQ(http_status("GET /metrics\r\n\r\n"), 400);
  EXPECT_EQ(http_status("GET /metrics HTTP/2\r\n\r\n"), 400);
  EXPECT_EQ(http_status("GET  /metrics HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(http_status("\r\n\r\n"), 400);
  EXPECT_EQ(http_status(std::string("G\0T /metrics HTTP/1.1\r\n\r\n", 25)), 400);
}

TEST(HttpStatus, BoundsTheRequest) {
  EXPECT_EQ(http_status(std::string(kMaxRequestBytes - 1, 'a')), std::nullopt);
  EXPECT_EQ(http_status(std::string(kMaxRequestBytes, 'a')), 431);
}

TEST(HttpResponse, CountsItsBodyAndEndsTheConnection) {
  const std::string response = http_response(200, "a 1\n");
  EXPECT_TRUE(response.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_NE(response.find("Content-Length: 4\r\n"), std::string::npos);
  EXPECT_NE(response.find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(response.ends_with("\r\n\r\na 1\n"));
}

TEST(HttpResponse, NamesTheMethodItTakes) {
  EXPECT_NE(http_response(405, "").find("\r\nAllow: GET\r\n"), std::string::npos);
  EXPECT_EQ(http_response(404, "secret").find("secret"), std::string::npos);
  EXPECT_TRUE(http_response(503, "ok\n").ends_with("\r\n\r\n503 Service Unavailable\n"));
}

}  // namespace
}  // namespace common
