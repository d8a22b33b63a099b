// What the messages say, as values, and as their payloads. Reading gives nothing where the payload is malformed. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "krata/bundle/process.h"
#include "krata/channel/message.h"

namespace krata::channel {

enum class Stream : std::uint8_t { output = 1, error = 2 };

// How a process ended.
struct Exit {
  enum class Reason : std::uint8_t {
    exited = 0,         // by itself; `number` is its exit code
    signalled = 1,      // by the signal `number`
    out_of_memory = 2,  // killed by the zone's kernel for want of memory; `number` is the signal
  };
  Reason reason = Reason::exited;
  std::uint32_t number = 0;
  bool operator==(const Exit&) const = default;

  // As a shell has it: the code, or 128 and the signal.
  [[nodiscard]] std::uint32_t code() const { return reason == Reason::exited ? number : 128 + number; }
};

enum class State : std::uint8_t {
  starting = 0,  // the container does not run yet
  running = 1,
  ended = 2,  // and the zone waits for `exit_taken`
};

// Of the host.
struct Hello {
  std::uint32_t version = kVersion;
  std::uint64_t epoch = 0;         // which the answer repeats
  std::uint64_t output_taken = 0;  // of the container's output, by whoever spoke for the host before
};

// The zone's answer: where the container's streams go on.
struct HelloAnswer {
  std::uint32_t version = kVersion;
  std::uint64_t epoch = 0;
  State state = State::starting;
  std::uint64_t output_from = 0;     // the offset of the next output
  std::uint64_t input_received = 0;  // the offset of the next input
  std::uint64_t input_taken = 0;
};

// A part of a session's input or output.
struct Piece {
  std::uint64_t offset = 0;
  Stream stream = Stream::output;  // of output only
  std::string_view bytes;          // 1 to kMaxPieceBytes
};

std::string write_hello(const Hello& hello);
std::optional<Hello> read_hello(std::string_view payload);
std::string write_hello_answer(const HelloAnswer& answer);
std::optional<HelloAnswer> read_hello_answer(std::string_view payload);
std::string write_output(const Piece& piece);
std::optional<Piece> read_output(std::string_view payload);
std::string write_input(const Piece& piece);
std::optional<Piece> read_input(std::string_view payload);
std::string write_stream(Stream stream);
std::optional<Stream> read_stream(std::string_view payload);
std::string write_offset(std::uint64_t offset);
std::optional<std::uint64_t> read_offset(std::string_view payload);
std::string write_size(bundle::WindowSize size);
std::optional<bundle::WindowSize> read_size(std::string_view payload);
std::string write_signal(std::uint32_t number);
std::optional<std::uint32_t> read_signal(std::string_view payload);  // 1 to 64
std::string write_exit(const Exit& exit);
std::optional<Exit> read_exit(std::string_view payload);  // of an exit code of at most 255, a signal of 1 to 64

}  // namespace krata::channel
