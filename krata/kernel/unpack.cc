#include "krata/kernel/unpack.h"

#include <fmt/format.h>
#include <lzma.h>

#include <algorithm>
#include <cstdint>
#include <memory>

namespace krata::kernel {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::uint64_t kMemoryBytes = std::uint64_t{128} << 20U;  // of the decoder
constexpr std::size_t kChunkBytes = std::size_t{256} << 10U;

struct Ender {
  void operator()(lzma_stream* stream) const { ::lzma_end(stream); }
};

Result<std::string> unpack_xz(std::string_view file_name, std::string_view packed) {
  lzma_stream stream = LZMA_STREAM_INIT;
  if (::lzma_stream_decoder(&stream, kMemoryBytes, 0) != LZMA_OK) {
    return Error(ErrorCode::system, "begin to unpack xz");
  }
  const std::unique_ptr<lzma_stream, Ender> ender(&stream);
  stream.next_in = reinterpret_cast<const std::uint8_t*>(packed.data());
  stream.avail_in = packed.size();
  std::string unpacked;
  for (lzma_ret status = LZMA_OK; status != LZMA_STREAM_END;) {
    const std::size_t before = unpacked.size();
    if (before > kMaxModuleBytes) {
      return Error(ErrorCode::limit, fmt::format("{} unpacks to more than {} bytes", file_name, kMaxModuleBytes));
    }
    unpacked.resize(before + kChunkBytes);
    stream.next_out = reinterpret_cast<std::uint8_t*>(unpacked.data()) + before;
    stream.avail_out = kChunkBytes;
    status = ::lzma_code(&stream, LZMA_FINISH);
    if (status != LZMA_OK && status != LZMA_STREAM_END) {
      return Error(ErrorCode::invalid_input, fmt::format("{} is damaged: it cannot be unpacked as xz", file_name));
    }
    unpacked.resize(unpacked.size() - stream.avail_out);
  }
  return unpacked;
}

}  // namespace

Result<std::string> unpack_module(std::string_view file_name, std::string bytes) {
  if (file_name.ends_with(".ko")) {
    return bytes;
  }
  if (file_name.ends_with(".ko.xz")) {
    return unpack_xz(file_name, bytes);
  }
  return Error(ErrorCode::unsupported, fmt::format("{} is packed in another way than xz", file_name));
}

}  // namespace krata::kernel
