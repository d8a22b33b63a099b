#include "krata/image/decompress.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::size_t kInputBytes = std::size_t{256} << 10U;
constexpr std::size_t kXzMagicBytes = 6;
constexpr int kMaxWindowLog = 27;

// What was read from the source and not used yet.
class Input {
 public:
  explicit Input(ByteSource& source) : source_(source), bytes_(kInputBytes) {}

  // Reads on until `least` bytes are there or the source ends.
  Result<void> fill(std::size_t least) {
    if (begin_ == end_) {
      begin_ = end_ = 0;
    }
    while (end_ - begin_ < least && !ended_) {
      KRAIT_TRY(const auto got, source_.read({bytes_.data() + end_, bytes_.size() - end_}));
      ended_ = got == 0;
      end_ += got;
    }
    return {};
  }
  [[nodiscard]] std::string_view rest() const { return {bytes_.data() + begin_, end_ - begin_}; }
  void take(std::size_t bytes) { begin_ += bytes; }

 private:
  ByteSource& source_;
  std::vector<char> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool ended_ = false;
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  // How many bytes came into `room`; 0: the end.
  virtual Result<std::size_t> decode(Input& input, std::span<char> room) = 0;
};

class Plain : public Decoder {
 public:
  Result<std::size_t> decode(Input& input, std::span<char> room) override {
    KRAIT_CHECK(input.fill(1));
    const std::size_t bytes = std::min(input.rest().size(), room.size());
    std::memcpy(room.data(), input.rest().data(), bytes);
    input.take(bytes);
    return bytes;
  }
};

class Gzip : public Decoder {
 public:
  Gzip() { good_ = ::inflateInit2(&stream_, MAX_WBITS + 16) == Z_OK; }
  ~Gzip() override { ::inflateEnd(&stream_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  Result<std::size_t> decode(Input& input, std::span<char> room) override {
    if (!good_) {
      return Error(ErrorCode::system, "start zlib");
    }
    for (;;) {
      KRAIT_CHECK(input.fill(1));
      if (input.rest().empty()) {
        return within_ ? refused("the gzip stream is cut short") : Result<std::size_t>(0);
      }
      if (!within_) {
        // Zeros behind the last member are padding.
        if (input.rest().front() == '\0' && members_ > 0) {
          input.take(1);
          continue;
        }
        ::inflateReset(&stream_);
        within_ = true;
      }
      const auto made = inflate_some(input, room);
      if (!made || *made > 0) {
        return made;
      }
    }
  }

 private:
  Result<std::size_t> inflate_some(Input& input, std::span<char> room) {
    stream_.next_in = reinterpret_cast<const Bytef*>(input.rest().data());
    stream_.avail_in = static_cast<uInt>(input.rest().size());
    stream_.next_out = reinterpret_cast<Bytef*>(room.data());
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(room.size(), std::size_t{1} << 30U));
    const uInt before = stream_.avail_out;
    const int status = ::inflate(&stream_, Z_NO_FLUSH);
    input.take(input.rest().size() - stream_.avail_in);
    if (status == Z_STREAM_END) {
      within_ = false;
      ++members_;
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      return refused("the gzip stream is broken{}{}", stream_.msg == nullptr ? "" : ": ",
                     stream_.msg == nullptr ? "" : stream_.msg);
    }
    return before - stream_.avail_out;
  }

  z_stream stream_{};
  bool good_ = false;
  bool within_ = false;
  std::uint64_t members_ = 0;
};

class Zstd : public Decoder {
 public:
  Zstd() : context_(::ZSTD_createDCtx()) {
    if (context_) {
      ::ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
    }
  }

  Result<std::size_t> decode(Input& input, std::span<char> room) override {
    if (!context_) {
      return Error(ErrorCode::system, "start zstd");
    }
    ZSTD_outBuffer out{.dst = room.data(), .size = room.size(), .pos = 0};
    while (out.pos == 0) {
      KRAIT_CHECK(input.fill(1));
      ZSTD_inBuffer in{.src = input.rest().data(), .size = input.rest().size(), .pos = 0};
      const bool at_end = in.size == 0;
      const std::size_t status = ::ZSTD_decompressStream(context_.get(), &out, &in);
      input.take(in.pos);
      if (::ZSTD_isError(status) != 0U) {
        return refused("the zstd stream is broken: {}", ::ZSTD_getErrorName(status));
      }
      if (at_end && out.pos == 0) {
        return missing_ != 0 ? refused("the zstd stream is cut short") : Result<std::size_t>(0);
      }
      missing_ = status;
    }
    return out.pos;
  }

 private:
  struct Closer {
    void operator()(ZSTD_DCtx* context) const { ::ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, Closer> context_;
  std::size_t missing_ = 0;
};

Result<std::unique_ptr<Decoder>> decoder_for(std::string_view start) {
  if (start.starts_with("\x1f\x8b")) {
    return std::make_unique<Gzip>();
  }
  const bool is_skippable = start.size() >= 4 && (static_cast<unsigned char>(start[0]) & 0xf0U) == 0x50U &&
                            start.substr(1, 3) == "\x2a\x4d\x18";
  if (start.starts_with("\x28\xb5\x2f\xfd") || is_skippable) {
    return std::make_unique<Zstd>();
  }
  if (start.starts_with(std::string_view("\xfd\x37zXZ\0", kXzMagicBytes)) || start.starts_with("BZh")) {
    return Error(ErrorCode::unsupported,
                 "compressed by xz or bzip2, which layers are not; gzip, zstd or nothing it must be");
  }
  return std::make_unique<Plain>();
}

class Decompressed : public ByteSource {
 public:
  explicit Decompressed(ByteSource& source) : input_(source) {}

  Result<std::size_t> read(std::span<char> room) override {
    if (!decoder_) {
      KRAIT_CHECK(input_.fill(kXzMagicBytes));
      KRAIT_TRY(auto decoder, decoder_for(input_.rest()));
      decoder_ = std::move(decoder);
    }
    return room.empty() ? Result<std::size_t>(0) : decoder_->decode(input_, room);
  }

 private:
  Input input_;
  std::unique_ptr<Decoder> decoder_;
};

}  // namespace

std::unique_ptr<ByteSource> decompressed(ByteSource& source) { return std::make_unique<Decompressed>(source); }

}  // namespace krata::image
