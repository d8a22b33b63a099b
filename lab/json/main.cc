// krait-lab-json: reads members of a JSON document for the lab's scripts. jq, which can do anything, takes half a
// second to start in an emulated guest.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "common/file.h"
#include "lab/json/path.h"

namespace {

constexpr std::size_t kMaxDocumentBytes = 64 << 20;

constexpr const char* kUsage = R"(usage: krait-lab-json PATH [MEMBER...] <DOCUMENT
  prints what PATH names (faults[].what, peers[0].endpoint, rules[rule=web-db].packets, or . for all of it), a line each; with
  MEMBERs those of it, with ": " between
It exits with 1 when there is nothing of the kind, with 2 when PATH or the document is none.
)";

int fail(const std::string& why) {
  fmt::print(stderr, "krait-lab-json: {}\n", why);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  const auto text = common::read_to_end(STDIN_FILENO, kMaxDocumentBytes, "standard input");
  if (!text) {
    return fail(text.error().text());
  }
  const common::Json document = common::parse_json(*text);
  if (document.is_discarded()) {
    return fail("standard input is no JSON document");
  }
  const auto found = lab::find_path(document, argv[1]);
  if (!found) {
    return fail(found.error().text());
  }
  for (const common::Json* json : *found) {
    std::string line = argc == 2 ? lab::plain(*json) : "";
    for (int i = 2; i < argc; ++i) {
      const common::Json* member = common::find_member(*json, argv[i]);
      line += fmt::format("{}{}", i == 2 ? "" : ": ", member != nullptr ? lab::plain(*member) : "null");
    }
    fmt::print("{}\n", line);
  }
  return found->empty() ? 1 : 0;
}
