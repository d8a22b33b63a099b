#include "krata/boot/payload.h"

#include <fmt/format.h>
#include <lz4.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace krata::boot {

using common::Error;
using common::ErrorCode;
using common::Result;
using std::string_view_literals::operator""sv;

namespace {

constexpr std::size_t kChunkBytes = 1 << 20;
// lz4's legacy format: blocks that unpack to this at most, but for the last one to exactly this (lz4's
// doc/lz4_Frame_format.md).
constexpr std::size_t kLegacyBlockBytes = 8 << 20;
constexpr std::uint64_t kXzMemoryBytes = std::uint64_t{128} << 20U;  // the kernel's own xz has dictionaries of 32 MiB

Error damaged(std::string_view format, std::string_view why) {
  return {ErrorCode::invalid_input, fmt::format("{} data is damaged: {}", format, why)};
}
Error too_large(std::size_t max_bytes) {
  return {ErrorCode::limit, fmt::format("more than {} bytes when unpacked", max_bytes)};
}

std::uint32_t word_at(std::string_view bytes, std::size_t offset) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes.data() + offset, sizeof(word));
  return word;
}

// What a library's stream is asked for: to go on, with `room` for what comes out.
struct Step {
  std::size_t put = 0;
  bool is_end = false;
  bool has_taken = false;  // something of what is packed
};

struct Bounds {
  std::size_t max_bytes = 0;
  std::size_t expected_bytes = 0;  // what there is room for at once: to make more later costs a copy of all; 0: unknown
};

// Calls `step(room)` until the stream ends.
template <typename Advance>
Result<std::string> unpack(std::string_view format, const Bounds& bounds, const Advance& step) {
  const std::size_t max_bytes = bounds.max_bytes;
  std::string out;
  out.reserve(bounds.expected_bytes + kChunkBytes);
  while (true) {
    const std::size_t begin = out.size();
    if (begin > max_bytes) {
      return too_large(max_bytes);
    }
    Result<Step> stepped = Step{};
    out.resize_and_overwrite(begin + kChunkBytes, [&](char* all, std::size_t size) {
      stepped = step(std::span(all, size).subspan(begin));
      return begin + (stepped ? stepped->put : 0);
    });
    KRAIT_TRY(const Step done, std::move(stepped), std::string(format));
    if (done.is_end) {
      return out.size() > max_bytes ? Result<std::string>(too_large(max_bytes)) : std::move(out);
    }
    if (done.put == 0 && !done.has_taken) {
      return damaged(format, "it ends too early");
    }
  }
}

Result<std::string> unpack_gzip(std::string_view packed, const Bounds& bounds) {
  constexpr int kGzip = 16;  // added to the window's bits: zlib.h, inflateInit2
  z_stream stream{};
  if (inflateInit2(&stream, MAX_WBITS + kGzip) != Z_OK) {
    return Error(ErrorCode::limit, "no memory to unpack gzip");
  }
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> owner(&stream, &inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  return unpack("gzip", bounds, [&](std::span<char> room) -> Result<Step> {
    stream.next_out = reinterpret_cast<Bytef*>(room.data());
    stream.avail_out = static_cast<uInt>(room.size());
    const int status = inflate(&stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
      return damaged("gzip", stream.msg != nullptr ? stream.msg : "it cannot be read");
    }
    return Step{.put = room.size() - stream.avail_out, .is_end = status == Z_STREAM_END};
  });
}

Result<std::string> unpack_xz(std::string_view packed, const Bounds& bounds) {
  lzma_stream stream = LZMA_STREAM_INIT;
  if (lzma_stream_decoder(&stream, kXzMemoryBytes, 0) != LZMA_OK) {
    return Error(ErrorCode::limit, "no memory to unpack xz");
  }
  const std::unique_ptr<lzma_stream, decltype(&lzma_end)> owner(&stream, &lzma_end);
  stream.next_in = reinterpret_cast<const std::uint8_t*>(packed.data());
  stream.avail_in = packed.size();
  return unpack("xz", bounds, [&](std::span<char> room) -> Result<Step> {
    stream.next_out = reinterpret_cast<std::uint8_t*>(room.data());
    stream.avail_out = room.size();
    const lzma_ret status = lzma_code(&stream, LZMA_RUN);
    if (status == LZMA_MEMLIMIT_ERROR) {
      return Error(ErrorCode::limit, fmt::format("xz wants more than {} bytes of memory", kXzMemoryBytes));
    }
    if (status != LZMA_OK && status != LZMA_STREAM_END && status != LZMA_BUF_ERROR) {
      return damaged("xz", "it cannot be read");
    }
    return Step{.put = room.size() - stream.avail_out, .is_end = status == LZMA_STREAM_END};
  });
}

// All at once, where it is as long as it should be: by a stream all of it is copied once more. Nothing: it is not.
std::optional<std::string> unpack_zstd_at_once(std::string_view packed, std::size_t expected_bytes) {
  const std::size_t frame_bytes = ZSTD_findFrameCompressedSize(packed.data(), packed.size());
  if (expected_bytes == 0 || ZSTD_isError(frame_bytes) != 0) {
    return std::nullopt;
  }
  std::size_t got = 0;
  std::string out;
  out.resize_and_overwrite(expected_bytes, [&](char* room, std::size_t size) {
    got = ZSTD_decompress(room, size, packed.data(), frame_bytes);
    return ZSTD_isError(got) != 0 ? 0 : got;
  });
  return ZSTD_isError(got) != 0 ? std::nullopt : std::optional(std::move(out));
}

Result<std::string> unpack_zstd(std::string_view packed, const Bounds& bounds) {
  if (auto out = unpack_zstd_at_once(packed, bounds.expected_bytes)) {
    return *std::move(out);
  }
  const std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream(ZSTD_createDStream(), &ZSTD_freeDStream);
  ZSTD_inBuffer in{.src = packed.data(), .size = packed.size(), .pos = 0};
  return unpack("zstd", bounds, [&](std::span<char> room) -> Result<Step> {
    const std::size_t before = in.pos;
    ZSTD_outBuffer out{.dst = room.data(), .size = room.size(), .pos = 0};
    const std::size_t status = ZSTD_decompressStream(stream.get(), &out, &in);
    if (ZSTD_isError(status) != 0) {
      return damaged("zstd", ZSTD_getErrorName(status));
    }
    return Step{.put = out.pos, .is_end = status == 0, .has_taken = in.pos != before};
  });
}

Result<std::string> unpack_lz4_frame(std::string_view packed, const Bounds& bounds) {
  LZ4F_dctx* made = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION)) != 0) {
    return Error(ErrorCode::limit, "no memory to unpack lz4");
  }
  const std::unique_ptr<LZ4F_dctx, decltype(&LZ4F_freeDecompressionContext)> context(made,
                                                                                     &LZ4F_freeDecompressionContext);
  return unpack("lz4", bounds, [&](std::span<char> room) -> Result<Step> {
    std::size_t put = room.size();
    std::size_t taken = packed.size();
    const std::size_t status = LZ4F_decompress(context.get(), room.data(), &put, packed.data(), &taken, nullptr);
    if (LZ4F_isError(status) != 0) {
      return damaged("lz4", LZ4F_getErrorName(status));
    }
    packed.remove_prefix(taken);
    return Step{.put = put, .is_end = status == 0, .has_taken = taken != 0};
  });
}

Result<std::string> unpack_lz4_legacy(std::string_view packed, const Bounds& bounds) {
  std::string out;
  out.reserve(bounds.expected_bytes + kLegacyBlockBytes);
  std::string_view rest = packed.substr(sizeof(std::uint32_t));
  bool is_last = false;
  // A word alone at the end is the unpacked size that a kernel's build puts there.
  while (!is_last && rest.size() > sizeof(std::uint32_t)) {
    const std::uint32_t bytes = word_at(rest, 0);
    rest.remove_prefix(sizeof(bytes));
    if (bytes == 0 || bytes > rest.size()) {
      return damaged("lz4", fmt::format("a block of {} bytes where {} are left", bytes, rest.size()));
    }
    int got = 0;
    out.resize_and_overwrite(out.size() + kLegacyBlockBytes, [&, begin = out.size()](char* all, std::size_t) {
      got = LZ4_decompress_safe(rest.data(), all + begin, static_cast<int>(bytes), static_cast<int>(kLegacyBlockBytes));
      return begin + static_cast<std::size_t>(std::max(got, 0));
    });
    if (got < 0) {
      return damaged("lz4", "a block cannot be read");
    }
    if (out.size() > bounds.max_bytes) {
      return too_large(bounds.max_bytes);
    }
    rest.remove_prefix(bytes);
    is_last = static_cast<std::size_t>(got) < kLegacyBlockBytes;
  }
  return out.empty() ? Result<std::string>(damaged("lz4", "it ends too early")) : std::move(out);
}

struct Format {
  std::string_view magic;
  Result<std::string> (*unpack)(std::string_view packed, const Bounds& bounds);
};
constexpr std::array<Format, 5> kFormats{{{"\x1f\x8b\x08"sv, unpack_gzip},
                                          {"\xfd"
                                           "7zXZ\0"sv,
                                           unpack_xz},
                                          {"\x28\xb5\x2f\xfd"sv, unpack_zstd},
                                          {"\x04\x22\x4d\x18"sv, unpack_lz4_frame},
                                          {"\x02\x21\x4c\x18"sv, unpack_lz4_legacy}}};

const Format* format_of(std::string_view bytes) {
  const auto* const found =
      std::ranges::find_if(kFormats, [&](const Format& format) { return bytes.starts_with(format.magic); });
  return found == kFormats.end() ? nullptr : found;
}

// Documentation/arch/x86/boot.rst of Linux: where the header of a bzImage has what.
constexpr std::string_view kElfMagic =
    "\x7f"
    "ELF"sv;
constexpr std::size_t kSetupSectors = 0x1f1;
constexpr std::size_t kHeaderMagic = 0x202;
constexpr std::size_t kVersion = 0x206;
constexpr std::size_t kPayloadOffset = 0x248;
constexpr std::size_t kPayloadLength = 0x24c;
constexpr std::size_t kHeaderEnd = 0x250;
constexpr std::size_t kSectorBytes = 512;
constexpr unsigned kFirstWithPayload = 0x208;

Result<std::string_view> payload_of(std::string_view image) {
  const unsigned version = word_at(image, kVersion) & 0xffffU;
  if (version < kFirstWithPayload) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("the kernel image is of boot protocol {}.{:02}, and says from 2.08 on where its kernel is",
                             version >> 8U, version & 0xffU));
  }
  const auto sectors = static_cast<unsigned char>(image[kSetupSectors]);
  const std::size_t setup = (std::size_t{sectors == 0 ? 4U : sectors} + 1) * kSectorBytes;
  const std::uint64_t begin = setup + std::uint64_t{word_at(image, kPayloadOffset)};
  const std::uint64_t length = word_at(image, kPayloadLength);
  if (begin > image.size() || length > image.size() - begin) {
    return Error(ErrorCode::invalid_input, fmt::format("the kernel image is cut off: its payload should end at {}, and "
                                                       "the file has {} bytes",
                                                       begin + length, image.size()));
  }
  return image.substr(begin, length);
}

// A kernel's build writes it behind what it has packed; gzip does so itself (scripts/Makefile.lib of Linux,
// size_append).
std::size_t unpacked_bytes(std::string_view payload, std::size_t max_bytes) {
  constexpr std::size_t kWord = sizeof(std::uint32_t);
  return payload.size() < kWord ? 0 : std::min<std::size_t>(word_at(payload, payload.size() - kWord), max_bytes);
}

Result<std::string> unpack(std::string_view packed, const Bounds& bounds) {
  const Format* format = format_of(packed);
  if (format == nullptr) {
    return Error(ErrorCode::unsupported, "compressed in none of gzip, xz, zstd and lz4");
  }
  return format->unpack(packed, bounds);
}

}  // namespace

bool is_compressed(std::string_view bytes) { return format_of(bytes) != nullptr; }

Result<std::string> decompress(std::string_view packed, std::size_t max_bytes) {
  return unpack(packed, {.max_bytes = max_bytes});
}

Result<std::string> kernel_elf(std::string image, std::size_t max_bytes) {
  if (image.size() >= kHeaderEnd && std::string_view(image).substr(kHeaderMagic, 4) == "HdrS") {
    KRAIT_TRY(const auto payload, payload_of(image));
    if (!is_compressed(payload)) {
      image = std::string(payload);
    } else {
      const Bounds bounds{.max_bytes = max_bytes, .expected_bytes = unpacked_bytes(payload, max_bytes)};
      KRAIT_TRY(image, unpack(payload, bounds), "unpack the kernel image");
    }
  } else if (is_compressed(image)) {
    KRAIT_TRY(image, decompress(image, max_bytes), "unpack the kernel image");
  }
  if (!image.starts_with(kElfMagic)) {
    return Error(ErrorCode::invalid_input, "no Linux kernel: neither a bzImage nor an ELF file, packed or not");
  }
  return image;
}

}  // namespace krata::boot
