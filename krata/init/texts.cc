#include "krata/init/texts.h"

#include <fmt/format.h>

namespace krata::init {

namespace {

// The keyword and all words on one line, of which resolv.conf(5) takes the last only.
std::string joined(std::string_view keyword, const std::vector<std::string>& words) {
  if (words.empty()) {
    return {};
  }
  std::string line(keyword);
  for (const std::string& word : words) {
    line += ' ';
    line += word;
  }
  return line + '\n';
}

}  // namespace

std::string hosts_text(const bundle::Bundle& bundle) {
  std::string text = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
  bool named = false;
  for (const bundle::Host& host : bundle.hosts) {
    text += fmt::format("{} {}\n", host.address, host.names);
    named = named || host.names == bundle.hostname || host.names.starts_with(bundle.hostname + " ");
  }
  // Its own address is the host's to say; without one it is reached by loopback.
  return named ? text : text + fmt::format("127.0.1.1 {}\n", bundle.hostname);
}

std::string resolver_text(const bundle::Bundle& bundle) {
  std::string text;
  for (const std::string& server : bundle.name_servers) {
    text += fmt::format("nameserver {}\n", server);
  }
  return text + joined("search", bundle.search_domains) + joined("options", bundle.resolver_options);
}

}  // namespace krata::init
