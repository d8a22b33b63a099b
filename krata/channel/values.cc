#include "krata/channel/values.h"

#include "krata/bundle/bytes.h"

namespace krata::channel {

namespace {

using bundle::append_number;
using bundle::ByteReader;

constexpr std::uint32_t kMaxSignal = 64;     // _NSIG of x86_64 (asm/signal.h)
constexpr std::uint32_t kMaxExitCode = 255;  // wait(2)

std::optional<Stream> stream_of(std::optional<std::uint8_t> number) {
  if (number != 1 && number != 2) {
    return std::nullopt;
  }
  return Stream{*number};
}

bool fits(std::string_view bytes) { return !bytes.empty() && bytes.size() <= kMaxPieceBytes; }

}  // namespace

std::string write_hello(const Hello& hello) {
  std::string out;
  append_number(out, hello.version);
  append_number(out, hello.epoch);
  append_number(out, hello.output_taken);
  return out;
}

std::optional<Hello> read_hello(std::string_view payload) {
  ByteReader reader(payload);
  const auto version = reader.number<std::uint32_t>();
  const auto epoch = reader.number<std::uint64_t>();
  const auto taken = reader.number<std::uint64_t>();
  if (!taken || !reader.at_end()) {
    return std::nullopt;
  }
  return Hello{.version = *version, .epoch = *epoch, .output_taken = *taken};
}

std::string write_hello_answer(const HelloAnswer& answer) {
  std::string out;
  append_number(out, answer.version);
  append_number(out, answer.epoch);
  append_number(out, static_cast<std::uint8_t>(answer.state));
  append_number(out, answer.output_from);
  append_number(out, answer.input_received);
  append_number(out, answer.input_taken);
  return out;
}

std::optional<HelloAnswer> read_hello_answer(std::string_view payload) {
  ByteReader reader(payload);
  const auto version = reader.number<std::uint32_t>();
  const auto epoch = reader.number<std::uint64_t>();
  const auto state = reader.number<std::uint8_t>();
  const auto output_from = reader.number<std::uint64_t>();
  const auto input_received = reader.number<std::uint64_t>();
  const auto input_taken = reader.number<std::uint64_t>();
  if (!input_taken || !reader.at_end() || *state > static_cast<std::uint8_t>(State::ended) ||
      *input_taken > *input_received || *input_received - *input_taken > kWindowBytes) {
    return std::nullopt;
  }
  return HelloAnswer{.version = *version,
                     .epoch = *epoch,
                     .state = State{*state},
                     .output_from = *output_from,
                     .input_received = *input_received,
                     .input_taken = *input_taken};
}

std::string write_output(const Piece& piece) {
  std::string out;
  append_number(out, piece.offset);
  append_number(out, static_cast<std::uint8_t>(piece.stream));
  return out.append(piece.bytes);
}

std::optional<Piece> read_output(std::string_view payload) {
  ByteReader reader(payload);
  const auto offset = reader.number<std::uint64_t>();
  const auto stream = stream_of(reader.number<std::uint8_t>());
  if (!stream || !fits(reader.left())) {
    return std::nullopt;
  }
  return Piece{.offset = *offset, .stream = *stream, .bytes = reader.left()};
}

std::string write_input(const Piece& piece) {
  std::string out;
  append_number(out, piece.offset);
  return out.append(piece.bytes);
}

std::optional<Piece> read_input(std::string_view payload) {
  ByteReader reader(payload);
  const auto offset = reader.number<std::uint64_t>();
  if (!offset || !fits(reader.left())) {
    return std::nullopt;
  }
  return Piece{.offset = *offset, .bytes = reader.left()};
}

std::string write_stream(Stream stream) { return std::string(1, static_cast<char>(stream)); }

std::optional<Stream> read_stream(std::string_view payload) {
  ByteReader reader(payload);
  const auto stream = stream_of(reader.number<std::uint8_t>());
  return reader.at_end() ? stream : std::nullopt;
}

std::string write_offset(std::uint64_t offset) {
  std::string out;
  append_number(out, offset);
  return out;
}

std::optional<std::uint64_t> read_offset(std::string_view payload) {
  ByteReader reader(payload);
  const auto offset = reader.number<std::uint64_t>();
  return reader.at_end() ? offset : std::nullopt;
}

std::string write_size(bundle::WindowSize size) {
  std::string out;
  append_number(out, size.rows);
  append_number(out, size.columns);
  return out;
}

std::optional<bundle::WindowSize> read_size(std::string_view payload) {
  ByteReader reader(payload);
  const auto rows = reader.number<std::uint16_t>();
  const auto columns = reader.number<std::uint16_t>();
  if (!columns || !reader.at_end()) {
    return std::nullopt;
  }
  return bundle::WindowSize{.rows = *rows, .columns = *columns};
}

std::string write_signal(std::uint32_t number) {
  std::string out;
  append_number(out, number);
  return out;
}

std::optional<std::uint32_t> read_signal(std::string_view payload) {
  ByteReader reader(payload);
  const auto number = reader.number<std::uint32_t>();
  if (!reader.at_end() || *number == 0 || *number > kMaxSignal) {
    return std::nullopt;
  }
  return number;
}

std::string write_exit(const Exit& exit) {
  std::string out;
  append_number(out, static_cast<std::uint8_t>(exit.reason));
  append_number(out, exit.number);
  return out;
}

std::optional<Exit> read_exit(std::string_view payload) {
  ByteReader reader(payload);
  const auto reason = reader.number<std::uint8_t>();
  const auto number = reader.number<std::uint32_t>();
  if (!reader.at_end() || *reason > static_cast<std::uint8_t>(Exit::Reason::out_of_memory)) {
    return std::nullopt;
  }
  const Exit exit{.reason = Exit::Reason{*reason}, .number = *number};
  const bool is_code = exit.reason == Exit::Reason::exited;
  if (exit.number > (is_code ? kMaxExitCode : kMaxSignal) || (!is_code && exit.number == 0)) {
    return std::nullopt;
  }
  return exit;
}

}  // namespace krata::channel
