// Fuzz target: any bytes as what a zone says on two streams, in pieces. What comes out must be text that no terminal
// obeys, in lines that can be read back, with every byte accounted for.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "common/safe_text.h"
#include "krata/console/lines.h"
#include "tests/require.h"

using krait::require;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krata::console;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  LineMaker maker(2, 7);
  std::vector<Line> lines;
  while (!bytes.empty()) {
    const auto head = static_cast<unsigned char>(bytes.front());
    const std::string_view piece = bytes.substr(1, head >> 1U);
    bytes.remove_prefix(1 + piece.size());
    maker.add((head & 1U) != 0 ? Stream::error : Stream::output, piece, 1'700'000'000'000'000, lines);
  }
  maker.finish(1'700'000'000'000'001, lines);
  std::uint64_t offset = 7;
  for (const Line& line : lines) {
    require(line.offset >= offset, "offsets go on");
    offset = line.offset;
    require(std::ranges::none_of(line.text,
                                 [](char character) {
                                   const auto byte = static_cast<unsigned char>(character);
                                   return (byte < 0x20 && byte != '\t') || byte == 0x7f;
                                 }),
            "no control character");
    require(common::safe_text(line.text) == line.text, "what is safe stays as it is");
    const std::string text = line_text(line);
    require(text.size() < 4 * kMaxLineBytes + 128 && text.back() == '\n', "lines are bounded");
    require(parse_line(std::string_view(text).substr(0, text.size() - 1)) == line, "lines can be read back");
  }
  std::ignore = parse_line(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
