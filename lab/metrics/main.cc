// krait-lab-metrics: an agent's counters as of now, for the lab's scenarios, which ask for them hundreds of times: one
// process where bash, krait and awk would be six.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "common/event/unix_socket.h"
#include "common/fd.h"
#include "common/file.h"

namespace {

using common::Error;
using common::Result;

constexpr const char* kUsage = R"(usage: krait-lab-metrics [NAME [LABEL=VALUE...]]
  prints the agent's metrics page, or the sum of the lines of that name that carry these labels
)";

constexpr const char* kSocket = "/run/krait/krait.sock";
constexpr std::uint16_t kPort = 9517;
constexpr std::size_t kMaxPageBytes = std::size_t{64} << 20U;

// What root asks for makes the agent read its counters anew. The answer itself is of no use here.
Result<void> have_read_anew() {
  KRAIT_TRY(const auto agent, common::connect_unix(kSocket));
  KRAIT_CHECK(common::write_all(agent.get(), "{\"request\":\"status\"}\n", kSocket));
  std::vector<char> chunk(65536);
  for (ssize_t got = 1; got > 0;) {
    got = ::recv(agent.get(), chunk.data(), chunk.size(), 0);
    if (got > 0 && chunk[static_cast<std::size_t>(got) - 1] == '\n') {
      return {};
    }
  }
  return Error(common::ErrorCode::unavailable, "the agent ended before it answered");
}

Result<std::string> page() {
  const common::Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kPort);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Error::from_errno(errno, fmt::format("connect to 127.0.0.1:{}", kPort));
  }
  KRAIT_CHECK(common::write_all(server.get(), "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "the request"));
  return common::read_to_end(server.get(), kMaxPageBytes, "the metrics page");
}

bool is_wanted(std::string_view line, std::string_view name, const std::vector<std::string>& labels) {
  if (!line.starts_with(name) || line.size() == name.size() || (line[name.size()] != '{' && line[name.size()] != ' ')) {
    return false;
  }
  for (const auto& label : labels) {
    if (!line.contains(label)) {
      return false;
    }
  }
  return true;
}

double sum_of(std::string_view page, std::string_view name, const std::vector<std::string>& labels) {
  double sum = 0;
  while (!page.empty()) {
    const std::string_view line = page.substr(0, page.find('\n'));
    page.remove_prefix(std::min(line.size() + 1, page.size()));
    if (is_wanted(line, name, labels)) {
      sum += std::strtod(line.data() + line.rfind(' '), nullptr);  // ends at the line's, which no number goes on behind
    }
  }
  return sum;
}

Result<void> print(const std::vector<std::string>& words) {
  KRAIT_CHECK(have_read_anew());
  KRAIT_TRY(const auto text, page());
  if (words.empty()) {
    std::fputs(text.c_str(), stdout);
    return {};
  }
  std::vector<std::string> labels;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto equals = words[i].find('=');
    labels.push_back(fmt::format("{}=\"{}\"", words[i].substr(0, equals), words[i].substr(equals + 1)));
  }
  std::fputs(fmt::format("{:.0f}\n", sum_of(text, words[0], labels)).c_str(), stdout);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words[0].starts_with('-')) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  const auto done = print(words);
  if (!done) {
    fmt::print(stderr, "krait-lab-metrics: {}\n", done.error().text());
    return 1;
  }
  return 0;
}
